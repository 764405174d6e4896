"""FlowEdit (Kulikov et al., arXiv 2412.08629): straight from a picture to its edit, without inverting it, in flow-matching models.

    Z_tar = Z_FE + Z_src - X_src,    dZ_FE = (V_tar(Z_tar, t) - V_src(Z_src, t)) dt      (Algorithm 1)

At each noise level t the picture X_src is noised anew, Z_src = (1 - t) X_src + t N. The edit Z_FE, which begins as the picture and stays a clean
latent all the way, moves by the difference of what the target's prompt wants at its noised form and what the source's wants at the
picture's: what both want alike cancels. The noise level sigma of a flow model is the paper's t, and (x - denoised) / sigma its V.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .layout import Noising
from .mixing import Callback

Model = Callable[..., Tensor]


@torch.no_grad()
def flow_edit(
    source: Model,
    target: Model,
    picture: Tensor,
    sigmas: Tensor,
    edited_steps: int,
    noise: Callable[[int, int], Tensor],
    noising: Noising,
    *,
    averages: int = 1,
    mask: Tensor | None = None,
    extra_args: dict | None = None,
    callback: Callback | None = None,
) -> Tensor:
    """The clean latent `picture` `[B, C, H, W]`, edited from what `source` says to what `target` says, over `sigmas` `[n + 1]` descending to 0.

    `source` and `target` are the model with the one prompt and the other, `model(x, sigma, **extra_args) -> denoised`. The first
    `edited_steps` (the paper's n_max - n_min) move by the difference of their velocities; the rest samples the target alone from where
    they have led (line 10 and below). `noise(k, j)` is unit noise: that of sample `j` of `averages` (n_avg) with `k` steps left to go.
    Where `mask`, which broadcasts against the picture, is 0, the picture stays.

    Calls each of both `averages` times an edited step, and `target` once in each of the rest. `callback` sees the clean edit so far.
    """
    args, steps = extra_args or {}, len(sigmas) - 1
    rows = picture.new_ones([len(picture)])
    share = picture.new_ones(()) if mask is None else mask
    edit = picture

    def velocity(model: Model, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        denoised = model(x, sigma * rows, **args)
        return (x - denoised) / sigma, denoised

    def report(i: int, x: Tensor, denoised: Tensor) -> None:
        if callback is not None:
            callback({"i": i, "x": x, "sigma": sigmas[i], "denoised": denoised})

    for i in range(edited_steps):
        sigma, apart = sigmas[i], torch.zeros_like(picture)
        for j in range(averages):
            z_source = noising(sigma, noise(steps - i, j), picture)
            # In this order, so that an edit which is still the picture is seen as the picture, to the bit.
            z_target = z_source + (edit - picture)
            apart = apart + velocity(target, z_target, sigma)[0] - velocity(source, z_source, sigma)[0]
        edit = edit + (sigmas[i + 1] - sigma) * share * apart / averages
        report(i, z_target, edit)
    if edited_steps >= steps:
        return edit
    eps = noise(steps - edited_steps, 0)
    x = noising(sigmas[edited_steps], eps, picture) + (edit - picture)
    for i in range(edited_steps, steps):
        towards, denoised = velocity(target, x, sigmas[i])
        report(i, x, denoised)
        x = x + (sigmas[i + 1] - sigmas[i]) * towards
        x = share * x + (1 - share) * noising(sigmas[i + 1], eps, picture)
    return x
