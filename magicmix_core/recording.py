"""Records the path of latents that a sampler takes, without changing what it computes."""

from collections.abc import Callable

import torch
from torch import Tensor

from .mixing import Callback, Sampler


@torch.no_grad()
def sample_recorded(
    sampler: Sampler,
    model: Callable[..., Tensor],
    x: Tensor,
    sigmas: Tensor,
    *,
    extra_args: dict | None = None,
    callback: Callback | None = None,
    disable: bool | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run any `sampler` of the k-diffusion form from `x` `[B, C, H, W]` over `sigmas` and keep what it passes through.

    Kept is, for each step that the sampler reports, what it last gave the model: a callback's own `x` is not to be relied on,
    since some samplers report another latent there, or one in another scaling. Adaptive samplers choose their own levels.

    Returns the final latent, the levels `[n + 1]`, and the latents `[n + 1, B, C, H, W]` there, on the CPU; the first and the
    last level are always among them.
    """
    first, last = _kept(sigmas[0]), _kept(sigmas[-1])
    levels, latents = [first], [_kept(x)]
    observed = _Observed(model)

    def record(info: dict) -> None:
        sigma = _kept(observed.sigma[0])
        if last < sigma < levels[-1]:
            levels.append(sigma)
            latents.append(_kept(observed.x))
        if callback is not None:
            callback(info)

    result = sampler(observed, x, sigmas, extra_args=extra_args or {}, callback=record, disable=disable)
    return result, torch.stack([*levels, last]), torch.stack([*latents, _kept(result)])


class _Observed:
    """A model that remembers the `x` and `sigma` of its last call and is the model itself in everything else."""

    def __init__(self, model: Callable[..., Tensor]):
        self.model = model

    def __call__(self, x: Tensor, sigma: Tensor, **options) -> Tensor:
        self.x, self.sigma = x, sigma
        return self.model(x, sigma, **options)

    def __getattr__(self, name: str):
        return getattr(self.model, name)


def _kept(x: Tensor) -> Tensor:
    """A copy on the CPU: some samplers go on writing into their latent or their sigmas."""
    return x.detach().to("cpu", copy=True)
