"""Layouts: where things are, their shape and colour. A layout becomes a path of latents over noise levels once a model joins in.

A path's latents are `[B, C, H, W]` in the model's own scaling and noise convention (for SD1.x: `x0 + sigma * eps`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from .checks import check_layout_fits, shown
from .seeds import derive_seed

if TYPE_CHECKING:
    from .kept import Kept

SAME_LEVEL = 1e-3
"""Noise levels that differ by less, relative to their size, are one."""
ROUNDING = 1e-6
"""Fractions of the timesteps that differ by less are one."""
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
class NoisedPath:
    """An image's latent, noised to any level (MagicMix, arXiv 2210.16056, section 3): computed when asked, never stored."""

    x0: Tensor
    eps: Callable[[int], Tensor]
    noising: Noising = variance_exploding

    def at(self, sigma: Tensor, k: int) -> Tensor:
        return self.noising(sigma, self.eps(k), self.x0)

    def mean(self, sigma: Tensor, k: int) -> Tensor:
        return noiseless(self.noising, sigma, self.x0)


@dataclass(frozen=True)
class RecordedPath:
    """The latents that a run passed through, for layouts that come from a prompt or from an inverted image.

    `sigmas` `[n + 1]` descend to 0, `latents` `[n + 1, B, C, H, W]` belong to them; both stay where they were recorded, and
    answers come in the place, dtype and batch of `like`, one recorded row serving them all. On the grid the answer is the recorded
    latent itself; between two levels it is interpolated linearly in sigma, along the straight lines that Euler's method draws.
    Above the first level there is nothing to know. Its latent stands in there where the path begins at pure noise; one that begins
    further down, at a `k_max` below 1, raises ValueError: its latent would pass for one with more noise.
    """

    sigmas: Tensor
    latents: Tensor
    noising: Noising
    like: Tensor
    k_max: float = 1.0

    def at(self, sigma: Tensor, k: int) -> Tensor:
        level = sigma.to(self.sigmas)
        check_known_at(level, self.sigmas, self.k_max)
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


class Layout(Protocol):
    """What a MAGICMIX_LAYOUT socket carries: enough to make a path once the model joins in, when sampling.

    `latent` is the layout's picture as a LATENT, in the VAE's scaling. `conditioning` is the CONDITIONING `[[encoding, dict], ...]`
    that a model followed the path with; None for a layout that no prompt was drawn for. `sigmas` `[n + 1]` are the levels that a
    path was recorded at, None where it was not and is known at every level. `kept` is what edits read of it, where that was kept.
    `k_max` says how far up the path is known, as a fraction of the training timesteps: 1 for all noise levels.
    """

    latent: dict
    conditioning: list | None
    sigmas: Tensor | None
    kept: "Kept | None"
    k_max: float

    @property
    def samples(self) -> Tensor:
        """The picture, `[b, C, H, W]`."""
        ...

    def start_noise(self) -> Tensor:
        """Unit noise `[b, C, H, W]`: what the path starts from."""
        ...

    def check_fits(self, model, shape: torch.Size) -> None:
        """Raises ValueError where the layout cannot steer latents of this shape `[B, C, H, W]` in `model`, a BaseModel of the host."""
        ...

    def path(self, model, noising: Noising, like: Tensor) -> LayoutPath:
        """The layout's path for `model`, spread over the batch of `like` `[B, C, H, W]`; raises as `check_fits` does."""
        ...

    def same(self, other: "Layout") -> bool:
        """Whether `other` is this one, or made again alike: caches may have kept what was made of the first and not the first itself."""
        ...


@dataclass(frozen=True)
class RecordedLayout:
    """The path of a run: `latents` `[n + 1, b, C, H, W]` in the model's scaling at `sigmas` `[n + 1]`, on the CPU.

    `latent_format` names the kind of latents it was recorded on; `kept` is what edits read of it, where that was asked for. A path
    that begins below pure noise has its `k_max`, and as `noise` `[b, C, H, W]` the unit noise that is in its first latent.
    """

    latent: dict
    sigmas: Tensor
    latents: Tensor
    latent_format: str
    conditioning: list
    kept: "Kept | None" = None
    k_max: float = 1.0
    noise: Tensor | None = None

    @property
    def samples(self) -> Tensor:
        return self.latent["samples"]

    def start_noise(self) -> Tensor:
        return self.latents[0] / self.sigmas[0] if self.noise is None else self.noise

    def check_fits(self, model, shape: torch.Size) -> None:
        if self.latent_format != (works_on := type(model.latent_format).__name__):
            raise ValueError(
                f"layout was recorded on {self.latent_format} latents, the model works on {works_on}: record it with this model"
            )
        check_layout_fits(self.samples, shape)

    def path(self, model, noising: Noising, like: Tensor) -> RecordedPath:
        self.check_fits(model, like.shape)
        return RecordedPath(self.sigmas, self.latents, noising, like, self.k_max)

    def same(self, other: Layout) -> bool:
        return self is other or (
            isinstance(other, RecordedLayout)
            and self.latent_format == other.latent_format
            and torch.equal(self.sigmas, other.sigmas)
            and torch.equal(self.latents, other.latents)
        )


def check_known_from(layout: Layout, k_max: float) -> None:
    """Raises ValueError where a run that starts at `k_max` would ask for more noise than the layout's path is known at."""
    if k_max > layout.k_max + ROUNDING:
        raise ValueError(
            f"k_max must not be above the layout's, {shown(layout.k_max)}, got {shown(k_max)}: set it to {shown(layout.k_max)} or lower,"
            " or k_max of MagicMix Layout Inversion higher"
        )


def check_known_at(sigma: Tensor, sigmas: Tensor, k_max: float) -> None:
    """Raises ValueError where a run at noise level `sigma` would ask for more noise than there is at the first of a path's `sigmas`."""
    if k_max < 1 and sigma > sigmas[0] * (1 + SAME_LEVEL):
        raise ValueError(
            f"layout is known up to k_max {shown(k_max)} only and sampling starts above that: start in a MagicMix sampler at k_max"
            f" {shown(k_max)} or lower, with the layout's steps and scheduler, or set k_max of MagicMix Layout Inversion higher"
        )


def check_has_prompt(layout: Layout) -> None:
    """Raises ValueError for a layout that no prompt was drawn for."""
    if layout.conditioning is None:
        raise ValueError(
            "layout must come from MagicMix Layout From Prompt or Layout Inversion: noise over a picture has no prompt of its own,"
            " nor have two layouts blended unless prompt, steps and scheduler of both are the same"
        )
