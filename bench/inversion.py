"""How well MagicMixLayoutInversion gives a picture back, on the demo model, against refinements and steps.

The latents of the sample layouts are inverted with their own prompts and sampled again with euler at guidance 1; PSNR in dB over
each latent's own range, the mean of all pictures.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

sys.path.append(str(Path(__file__).resolve().parent.parent / "tools"))

from inprocess import PACK, load_pack, node_runner, start_host

REFINEMENTS, STEPS = range(5), (20, 50, 100)


def main() -> None:
    start_host("--cpu")
    load_pack()
    run = node_runner()
    model, clip, vae = run("MagicMixDemoCheckpoint")
    files = sorted((PACK / "demo_model" / "layouts").glob("*.png"))
    pixels = torch.stack([torch.from_numpy(np.asarray(Image.open(file).convert("RGB").resize((128, 128))) / 255).float() for file in files])
    (latent,) = run("VAEEncode", vae=vae, pixels=pixels)
    encoded = [run("CLIPTextEncode", clip=clip, text=f"a {file.stem.replace('_', ' ')}")[0][0] for file in files]
    described = [[torch.cat([cond for cond, _ in encoded]), {"pooled_output": torch.cat([more["pooled_output"] for _, more in encoded])}]]

    def psnr(steps: int, refinements: int) -> float:
        settings = {"steps": steps, "scheduler": "ddim_uniform"}
        layout, _ = run("MagicMixLayoutInversion", model=model, positive=described, latent=latent, refinements=refinements, **settings)
        inputs = {
            "model": model,
            "positive": described,
            "negative": described,
            "layout": layout,
            "seed": 0,
            "cfg": 1.0,
            "sampler_name": "euler",
        }
        again = run("MagicMixKSampler", **inputs, **settings, nu=1.0, k_max=1.0, k_min=0.3)[0]["samples"]
        image = latent["samples"]
        error = (again - image).square().mean((1, 2, 3))
        return float((10 * torch.log10((image.amax((1, 2, 3)) - image.amin((1, 2, 3))) ** 2 / error)).mean())

    print("| steps | " + " | ".join(f"{count} refinements" for count in REFINEMENTS) + " |")
    print("| --- |" + " --- |" * len(REFINEMENTS))
    for steps in STEPS:
        print(f"| {steps} | " + " | ".join(f"{psnr(steps, count):.1f} dB" for count in REFINEMENTS) + " |", flush=True)


if __name__ == "__main__":
    main()
