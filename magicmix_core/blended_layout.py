"""A layout that is one layout here and another there, or something between: two paths blended are a path."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from .encodings import alike, text_of
from .layout import Layout, LayoutPath, Noising
from .mixing import mix, mix_restoring_variance
from .places import fit, spread


@dataclass(frozen=True)
class Blend:
    """How much of the second of two pictures there is at each place: `share` `[1 or b, 1, 1 or h, 1 or w]` in [0, 1], of any size."""

    share: Tensor

    def at(self, like: Tensor) -> Tensor:
        """The share for the places of `like` `[.., H, W]`; broadcasts against it."""
        share = self.share.to(like)
        if share.shape[-2:] != (1, 1):
            share = fit(share, like.shape[-2:])
        return spread(share, like)

    def pictures(self, first: Tensor, second: Tensor) -> Tensor:
        """The two blended; where the share is 0 or 1 one of them, to the bit."""
        share = self.at(first)
        return _exact_at_its_ends(share, first, second, mix(second, first, share))

    def noisy(self, first: Tensor, second: Tensor, means: tuple[Tensor, Tensor]) -> Tensor:
        """The same for latents of which `means` are without noise: noises that differ are kept from cancelling."""
        share, (first_mean, second_mean) = self.at(first), means
        blended = mix_restoring_variance(second, first, share, second_mean, first_mean)
        return _exact_at_its_ends(share, first, second, blended)


@dataclass(frozen=True)
class BlendedPath:
    first: LayoutPath
    second: LayoutPath
    blend: Blend

    def at(self, sigma: Tensor, k: int) -> Tensor:
        means = self.first.mean(sigma, k), self.second.mean(sigma, k)
        return self.blend.noisy(self.first.at(sigma, k), self.second.at(sigma, k), means)

    def mean(self, sigma: Tensor, k: int) -> Tensor:
        return self.blend.pictures(self.first.mean(sigma, k), self.second.mean(sigma, k))


@dataclass(frozen=True, eq=False)
class BlendedLayout:
    """Two layouts of one size: the first where the share is 0, the second where it is 1.

    Raises ValueError for layouts of different sizes, or whose batches do not go together.
    """

    first: Layout
    second: Layout
    blend: Blend
    kept = None

    def __post_init__(self):
        (rows, *size), (others, *other) = (layout.samples.shape for layout in (self.first, self.second))
        if size != other:
            came, first = (" x ".join(map(str, each)) for each in (other, size))
            raise ValueError(f"second must be of the first layout's size, {first}; got {came}: record both at one size")
        counts = {rows, others, len(self.blend.share)} - {1}
        if len(counts) > 1:
            raise ValueError(
                f"first, second and mask must hold 1 picture each or as many as one another, got {rows}, {others} and {len(self.blend.share)}"
            )

    @property
    def latent(self) -> dict:
        """The first's, with both pictures blended, and both noise masks where one has any."""
        both = self.first.latent, self.second.latent
        latent = both[0] | {"samples": self.samples}
        masks = [each.get("noise_mask") for each in both]
        if all(mask is None for mask in masks):
            return latent
        masks = [torch.ones(1, 1, 1, 1) if mask is None else mask.reshape(-1, 1, *mask.shape[-2:]) for mask in masks]
        size = max((mask.shape[-2:] for mask in masks), key=torch.Size.numel)
        first, second = torch.broadcast_tensors(*(interpolate(mask, size, mode="bilinear") for mask in masks))
        return latent | {"noise_mask": self.blend.pictures(first, second)}

    @property
    def samples(self) -> Tensor:
        return self.blend.pictures(*torch.broadcast_tensors(self.first.samples, self.second.samples))

    @property
    def conditioning(self) -> list | None:
        """The prompt of both, where it is the same one, followed at the same noise levels as far as both go; else there is none."""
        both = self.first, self.second
        prompts = [layout.conditioning for layout in both]
        levels = [layout.sigmas for layout in both]
        if any(prompt is None or len(prompt) != 1 for prompt in prompts) or any(level is None for level in levels):
            return None
        common = min(map(len, levels))
        same_levels = torch.equal(*(level[-common:] for level in levels))
        return prompts[0] if same_levels and alike(*(text_of(*entries[0]) for entries in prompts)) else None

    @property
    def sigmas(self) -> Tensor | None:
        recorded = [layout for layout in (self.first, self.second) if layout.sigmas is not None]
        return min(recorded, key=lambda layout: layout.k_max).sigmas if recorded else None

    @property
    def k_max(self) -> float:
        return min(self.first.k_max, self.second.k_max)

    def start_noise(self) -> Tensor:
        first, second = torch.broadcast_tensors(self.first.start_noise(), self.second.start_noise())
        return self.blend.noisy(first, second, (torch.zeros_like(first), torch.zeros_like(second)))

    def check_fits(self, model, shape: torch.Size) -> None:
        for layout in (self.first, self.second):
            layout.check_fits(model, shape)

    def path(self, model, noising: Noising, like: Tensor) -> BlendedPath:
        return BlendedPath(self.first.path(model, noising, like), self.second.path(model, noising, like), self.blend)

    def same(self, other: Layout) -> bool:
        return self is other or (
            isinstance(other, BlendedLayout)
            and self.first.same(other.first)
            and self.second.same(other.second)
            and torch.equal(self.blend.share, other.blend.share)
        )


def _exact_at_its_ends(share: Tensor, first: Tensor, second: Tensor, between: Tensor) -> Tensor:
    """`between`, but `first` where the share is 0 and `second` where it is 1: a sum with 0 times the other is NaN where that one is."""
    return torch.where(share <= 0, first, torch.where(share >= 1, second, between))
