"""MagicMix (Liew et al., arXiv 2210.16056): mix a layout's path into the content's path while sampling.

    x_{k-1} = nu * x_content + (1 - nu) * x_layout      while K_min < k <= K_max      (section 3)

Samplers are functions of the k-diffusion form `sampler(model, x, sigmas, extra_args, callback, disable) -> x`, with
`sigmas` descending and latents `[B, C, H, W]`. At one sigma the content and the layout carry the same factor in any
scaling, so the mix of the paper's variance-preserving latents and the mix here are the same numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .layout import LayoutPath, Noising, noiseless
from .nu import Nu
from .seeds import derive_seed

Sampler = Callable[..., Tensor]
Callback = Callable[[dict], None]


@dataclass(frozen=True)
class Window:
    """The noise levels of the mix: sampling starts at `sigma_max` = sigma(K_max), mixing ends at `sigma_min` = sigma(K_min)."""

    sigma_max: float
    sigma_min: float

    def executed(self, sigmas: Tensor) -> Tensor:
        """What remains of `sigmas` `[n + 1]` from the first at or below `sigma_max` on; its last one at least."""
        skipped = int((sigmas > self.sigma_max).sum())
        return sigmas[min(skipped, len(sigmas) - 1) :]

    def mixed_steps(self, executed: Tensor) -> int:
        """How many of the `executed` steps are mixed: those whose origin lies above `sigma_min`."""
        return int((executed[:-1] > self.sigma_min).sum())


def mix(content: Tensor, layout: Tensor, nu: Tensor) -> Tensor:
    """`nu * content + (1 - nu) * layout` (section 3); `nu` broadcasts against `[B, C, H, W]`."""
    return nu * content + (1 - nu) * layout


def mix_restoring_variance(content: Tensor, layout: Tensor, nu: Tensor, content_mean: Tensor, layout_mean: Tensor) -> Tensor:
    """The mix with its noise brought back to the strength of its operands' noises.

    Noises that differ cancel: mixed, independent ones keep a variance of `nu**2 + (1 - nu)**2` only, and the picture blurs.
    So means and noises are mixed apart, and the mixed noise is scaled by what its operands' measured variances and
    covariance (per batch row) say it lost. Equal noises lose nothing and are left alone. Not part of the paper.

    `content_mean` and `layout_mean` are the operands without their noise, all `[B, C, H, W]`.
    """
    noise_c, noise_l = content - content_mean, layout - layout_mean
    over_row = tuple(range(1, content.ndim))
    variance_c, variance_l, covariance = (
        (a * b).mean(over_row, keepdim=True) for a, b in ((noise_c, noise_c), (noise_l, noise_l), (noise_c, noise_l))
    )
    kept = nu**2 * variance_c + (1 - nu) ** 2 * variance_l + 2 * nu * (1 - nu) * covariance
    whole = nu * variance_c + (1 - nu) * variance_l
    gain = torch.where(kept > 0, whole / kept, 1.0).sqrt()
    return mix(content_mean, layout_mean, nu) + gain * mix(noise_c, noise_l, nu)


@torch.no_grad()
def sample_mixed(
    sampler: Sampler,
    model: Callable[..., Tensor],
    layout: LayoutPath,
    sigmas: Tensor,
    window: Window,
    nu: Nu,
    *,
    restore: Noising | None = None,
    extra_args: dict | None = None,
    callback: Callback | None = None,
    disable: bool | None = None,
) -> Tensor:
    """Sample with any `sampler` from the layout at sigma(K_max), mixed with the layout down to sigma(K_min), then free.

    Inside the window the sampler runs one step at a time; after it, once over the rest, so that multi-step samplers regain
    their order there. With nu = 1 or an empty window the sampler runs once over everything: a plain run from the layout.

    `restore`, the model's noising, turns on `mix_restoring_variance`. `extra_args["seed"]` seeds stochastic samplers; each
    step of the window gets a seed of its own, since a sampler restarted with one seed would repeat its noise. `callback`
    sees the sampler's dictionary with `i` counting the executed steps. Returns `[B, C, H, W]` at the last sigma. Raises ValueError
    for a sampler that changes the latent's size.
    """
    sigmas = window.executed(sigmas)
    steps = len(sigmas) - 1
    x = layout.at(sigmas[0], steps)
    mixed = 0 if nu.keeps_content else window.mixed_steps(sigmas)

    def run(x: Tensor, first: int, last: int, args: dict, report: Callback | None, disable: bool | None) -> Tensor:
        # Cloned, because some samplers write into their sigmas.
        return sampler(model, x, sigmas[first : last + 1].clone(), extra_args=args, callback=report, disable=disable)

    for i in range(mixed):
        k, sigma = steps - i - 1, sigmas[i + 1]
        seen = _LastDenoised(_counted(callback, i, i))
        x = run(x, i, i + 1, _reseeded(extra_args, k), seen, disable=True)
        there = layout.at(sigma, k)
        if x.shape != there.shape:
            came, was = (" x ".join(map(str, each.shape[1:])) for each in (x, there))
            raise ValueError(f"sampler must keep the size of what it samples, for a layout to be mixed in: it made {came} of {was}")
        operands = (x, there, nu.at(i / mixed, like=x))
        if restore is None or seen.denoised is None:
            x = mix(*operands)
        else:
            x = mix_restoring_variance(*operands, noiseless(restore, sigma, seen.denoised), layout.mean(sigma, k))
    if mixed < steps:
        x = run(x, mixed, steps, dict(extra_args or {}), _counted(callback, mixed, steps - 1), disable)
    return x


class _LastDenoised:
    """A callback that keeps the sampler's last estimate of the clean latent and passes everything on."""

    def __init__(self, callback: Callback | None):
        self.callback, self.denoised = callback, None

    def __call__(self, info: dict) -> None:
        self.denoised = info["denoised"]
        if self.callback is not None:
            self.callback(info)


def _reseeded(extra_args: dict | None, k: int) -> dict:
    args = dict(extra_args or {})
    if args.get("seed") is not None:
        args["seed"] = derive_seed(args["seed"], k)
    return args


def _counted(callback: Callback | None, first: int, last: int) -> Callback | None:
    """`callback` with the step index `i` shifted by `first`; adaptive samplers, which count freely, stop at `last`."""
    if callback is None:
        return None
    return lambda info: callback({**info, "i": min(first + info["i"], last)})
