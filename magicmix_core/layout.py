"""Layout paths: where things are, their shape and colour, as latents over noise levels.

Latents are `[B, C, H, W]` in the model's own scaling and noise convention (for SD1.x: `x0 + sigma * eps`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .seeds import derive_seed

Noising = Callable[[Tensor, Tensor, Tensor], Tensor]
"""`(sigma, eps, x0) -> x`: how a model's noise level `sigma` turns a clean latent and unit noise into a noisy latent."""


class LayoutPath(Protocol):
    """Anything that answers: what does the layout look like at this noise level?"""

    def at(self, sigma: Tensor, k: int) -> Tensor:
        """The layout's latent at noise level `sigma` (scalar tensor), with `k` sampling steps left to go.

        Counting `k` down to 0 names one and the same step however many were skipped at the start of a run.
        """
        ...

    def mean(self, sigma: Tensor, k: int) -> Tensor:
        """The same latent without its noise."""
        ...


def variance_exploding(sigma: Tensor, eps: Tensor, x0: Tensor) -> Tensor:
    """`x0 + sigma * eps`: the noise convention of eps- and v-prediction models (Karras et al., arXiv 2206.00364)."""
    return x0 + sigma * eps


def rectified_flow(sigma: Tensor, eps: Tensor, x0: Tensor) -> Tensor:
    """`(1 - sigma) * x0 + sigma * eps`: the noise convention of flow-matching models (arXiv 2209.03003)."""
    return (1 - sigma) * x0 + sigma * eps


def noiseless(noising: Noising, sigma: Tensor, x0: Tensor) -> Tensor:
    """What `x0` contributes to a latent at noise level `sigma`."""
    return noising(sigma, torch.zeros_like(x0), x0)


def shared_noise(draw: Callable[[int], Tensor], seed: int) -> Callable[[int], Tensor]:
    """One eps for every step: with a deterministic sampler the mix then moves the clean part only."""
    eps = draw(seed)
    return lambda k: eps


def independent_noise(draw: Callable[[int], Tensor], seed: int) -> Callable[[int], Tensor]:
    """A fresh eps at each step `k`, reproducible from `(seed, k)`."""
    return lambda k: draw(derive_seed(seed, k))


@dataclass(frozen=True)
class ImageLayout:
    """An image's latent, noised to any level (MagicMix, arXiv 2210.16056, section 3): computed when asked, never stored."""

    x0: Tensor
    eps: Callable[[int], Tensor]
    noising: Noising = variance_exploding

    def at(self, sigma: Tensor, k: int) -> Tensor:
        return self.noising(sigma, self.eps(k), self.x0)

    def mean(self, sigma: Tensor, k: int) -> Tensor:
        return noiseless(self.noising, sigma, self.x0)


@dataclass(frozen=True)
class RecordedLayout:
    """The latents that a run passed through, for layouts that come from a prompt or from an inverted image.

    `sigmas` `[n + 1]` descend to 0, `latents` `[n + 1, B, C, H, W]` belong to them; both stay where they were recorded, and
    answers come in the place, dtype and batch of `like`, one recorded row serving them all. On the grid the answer is the recorded latent itself; between two levels
    it is interpolated linearly in sigma, along the straight lines that Euler's method draws. Above the first level there is
    nothing to know, so its latent stands in.
    """

    sigmas: Tensor
    latents: Tensor
    noising: Noising
    like: Tensor

    def at(self, sigma: Tensor, k: int) -> Tensor:
        level = sigma.to(self.sigmas)
        above = int((self.sigmas > level).sum())  # the first recorded level at or below sigma
        below = self._recorded(min(above, len(self.sigmas) - 1))
        if above in (0, len(self.sigmas)) or self.sigmas[above] == level:
            return below
        lower, upper = self.sigmas[above], self.sigmas[above - 1]
        return torch.lerp(below, self._recorded(above - 1), ((level - lower) / (upper - lower)).to(self.like))

    def mean(self, sigma: Tensor, k: int) -> Tensor:
        """The picture at the path's end stands in for what is clean at `sigma`."""
        return noiseless(self.noising, sigma.to(self.like), self._recorded(-1))

    def _recorded(self, index: int) -> Tensor:
        return self.latents[index].to(self.like).expand_as(self.like).contiguous()
