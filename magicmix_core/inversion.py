"""DDIM inversion: from an image's latent up to the noise that deterministic sampling would turn into that image."""

from collections.abc import Callable

import torch
from torch import Tensor

from .mixing import Callback


@torch.no_grad()
def invert(
    model: Callable[..., Tensor],
    x: Tensor,
    sigmas: Tensor,
    refinements: int = 2,
    *,
    extra_args: dict | None = None,
    callback: Callback | None = None,
) -> Tensor:
    """Euler's method run upwards over `sigmas` `[n + 1]` (given descending to 0) from the clean latent `x` `[B, C, H, W]`.

    A step down goes from `x_upper` along the direction found at `x_upper`, which upwards is not known yet. It is guessed by
    going on as before and then refined: each refinement evaluates the model at the guess and takes the step again, a
    fixed-point iteration (as in AIDI, arXiv 2309.04907). One model call a step, and one more for each refinement.

    Holds for every model with `dx/dsigma = (x - denoised) / sigma`: eps- and v-prediction and flow matching.
    Returns the latents `[n + 1, B, C, H, W]` that belong to `sigmas`, on the CPU: noise first, the image last.
    """
    args, steps = extra_args or {}, len(sigmas) - 1
    rows = x.new_ones([x.shape[0]])
    latents, direction = [x.cpu()], torch.zeros_like(x)
    for i in range(steps):
        lower, upper = sigmas[steps - i], sigmas[steps - i - 1]
        guess = x + (upper - lower) * direction
        for _ in range(refinements + 1):
            denoised = model(guess, upper * rows, **args)
            direction = (guess - denoised) / upper
            guess = x + (upper - lower) * direction
        x = guess
        latents.append(x.cpu())
        if callback is not None:
            callback({"i": i, "x": x, "sigma": upper, "denoised": denoised})
    return torch.stack(latents[::-1])
