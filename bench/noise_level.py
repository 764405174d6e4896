"""What mixing does to the noise level, and what restore_variance does about it, on the demo model.

The model sees latents at sigma; (x - denoised) / sigma should be noise of deviation 1. Measured at the model's calls after
each mixed step, relative to a plain run (nu = 1) at the same steps: 1 is right, below 1 blurs.
"""

import sys
from pathlib import Path

import torch

sys.path += [str(Path(__file__).resolve().parent.parent / "tools"), str(Path(__file__).resolve().parent.parent)]

from inprocess import load_pack, node_runner, start_host

from demo_model import SIDES

STEPS, K_MAX, K_MIN = 30, 0.8, 0.3
SAMPLERS = ("euler", "euler_ancestral", "dpmpp_sde")


def main() -> None:
    start_host("--cpu")
    load_pack()
    run = node_runner()
    checkpoint, clip, _ = run("MagicMixDemoCheckpoint")
    model = checkpoint.clone()
    levels: dict[float, list[float]] = {}

    def watch(apply_model, args):
        denoised, sigma = apply_model(args["input"], args["timestep"], **args["c"]), float(args["timestep"][0])
        levels.setdefault(round(sigma, 3), []).append(float((args["input"] - denoised).std() / sigma))
        return denoised

    model.set_model_unet_function_wrapper(watch)
    positive, negative = (run("CLIPTextEncode", clip=clip, text=text)[0] for text in ("a lion", ""))
    (empty,) = run("EmptyLatentImage", width=SIDES["unet"], height=SIDES["unet"], batch_size=8)
    inputs = {"positive": positive, "negative": negative, "seed": 3, "steps": STEPS, "cfg": 4.0, "scheduler": "ddim_uniform"}
    drawn = {
        "positive": run("CLIPTextEncode", clip=clip, text="a watermelon")[0],
        "latent_image": empty,
        "sampler_name": "euler",
        "denoise": 1.0,
    }
    (picture,) = run("KSampler", model=checkpoint, **inputs | drawn)

    def noise_levels(sampler: str, noise: str, **settings) -> dict[float, float]:
        levels.clear()
        (layout,) = run("MagicMixLayoutNoise", latent=picture, seed=7, noise=noise)
        run("MagicMixKSampler", model=model, layout=layout, **inputs, sampler_name=sampler, k_max=K_MAX, k_min=K_MIN, **settings)
        return {sigma: sum(values) / len(values) for sigma, values in levels.items()}

    window = model.get_model_object("model_sampling").percent_to_sigma(1 - K_MIN)

    def relative(mixed: dict[float, float], plain: dict[float, float]) -> float:
        inside = [mixed[sigma] / plain[sigma] for sigma in sorted(plain, reverse=True)[1:] if sigma in mixed and sigma > window]
        return float(torch.tensor(inside).mean())

    print("| sampler | noise | nu 0.5 | nu 0.5, restore_variance |")
    print("| --- | --- | --- | --- |")
    for sampler in SAMPLERS:
        for noise in ("shared", "independent"):
            plain = noise_levels(sampler, noise, nu=1.0)
            columns = [relative(noise_levels(sampler, noise, nu=0.5, restore_variance=restore), plain) for restore in (False, True)]
            print(f"| {sampler} | {noise} | {columns[0]:.3f} | {columns[1]:.3f} |")


if __name__ == "__main__":
    main()
