"""How well MagicMixLayoutInversion gives a picture back, and what each decibel costs, on the demo model: the whole path, and up to K 0.6.

The latents of the sample layouts are inverted with their own prompts and sampled again from where the path begins, with euler at guidance 1.
PSNR in dB over each latent's own range, the mean of all pictures; calls of the UNet are counted, those of the inversion alone. The
largest difference is that to the whole path, over the levels that both have.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

sys.path += [str(Path(__file__).resolve().parent.parent / "tools"), str(Path(__file__).resolve().parent.parent)]

from inprocess import PACK, load_pack, node_runner, start_host

from demo_model import SIDES

REFINEMENTS, STEPS, TOPS = range(5), (20, 50, 100), (1.0, 0.6)


class CountedCalls:
    """A model's unet function wrapper that counts its calls."""

    count = 0

    def __call__(self, function, arguments):
        self.count += 1
        return function(arguments["input"], arguments["timestep"], **arguments["c"])


def pictures(run, clip, vae) -> tuple[dict, list]:
    """The sample layouts as one LATENT, and the CONDITIONING that describes each of them."""
    files = sorted((PACK / "demo_model" / "layouts").glob("*.png"))
    pixels = torch.stack(
        [torch.from_numpy(np.asarray(Image.open(file).convert("RGB").resize((SIDES["unet"],) * 2)) / 255).float() for file in files]
    )
    encoded = [run("CLIPTextEncode", clip=clip, text=f"a {file.stem.replace('_', ' ')}")[0][0] for file in files]
    described = [[torch.cat([cond for cond, _ in encoded]), {"pooled_output": torch.cat([more["pooled_output"] for _, more in encoded])}]]
    return run("VAEEncode", vae=vae, pixels=pixels)[0], described


def decibels(again: torch.Tensor, image: torch.Tensor) -> float:
    error = (again - image).square().mean((1, 2, 3))
    return float((10 * torch.log10((image.amax((1, 2, 3)) - image.amin((1, 2, 3))) ** 2 / error)).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS)
    parser.add_argument("--refinements", type=int, nargs="+", default=REFINEMENTS)
    arguments = parser.parse_args()
    start_host("--cpu")
    load_pack()
    run = node_runner()
    model, clip, vae = run("MagicMixDemoCheckpoint")
    latent, described = pictures(run, clip, vae)
    calls = CountedCalls()
    model = model.clone()
    model.set_model_unet_function_wrapper(calls)
    print("| steps | refinements | k_max | calls | comes back at | dB per call | largest difference to the whole path |")
    print("| --- |" + " --- |" * 6)
    for steps in arguments.steps:
        for refinements in arguments.refinements:
            whole = None
            for k_max in TOPS:
                same = {"model": model, "positive": described, "steps": steps, "scheduler": "ddim_uniform"}
                calls.count = 0
                layout, _ = run("MagicMixLayoutInversion", **same, latent=latent, refinements=refinements, k_max=k_max)
                made, whole = calls.count, layout.latents if whole is None else whole
                drawing = {"negative": described, "layout": layout, "seed": 0, "cfg": 1.0, "sampler_name": "euler"}
                again = run("MagicMixKSampler", **same, **drawing, nu=1.0, k_max=k_max, k_min=0.3)[0]["samples"]
                back = decibels(again, latent["samples"])
                apart = float((layout.latents - whole[-len(layout.latents) :]).abs().max())
                print(
                    f"| {steps} | {refinements} | {k_max:g} | {made} | {back:.1f} dB | {back / made:.2f} | {apart:g} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
