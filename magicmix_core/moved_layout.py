"""A layout moved about: mirrored, turned, made larger or smaller, put where it is wanted."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from .layout import Layout, LayoutPath, NoisedPath, Noising


@dataclass(frozen=True)
class Move:
    """What is done to a picture, in this order: mirrored left to right, turned by quarters to the left, made `scale` times as large
    about its middle, shifted to the right and down by shares of its size, to whole places. Beyond its edges it goes on as at its edges.
    """

    mirror: bool = False
    quarters: int = 0
    scale: float = 1.0
    right: float = 0.0
    down: float = 0.0

    def picture(self, picture: Tensor) -> Tensor:
        """A picture `[.., H, W]` moved; to the bit where its scale is 1."""
        turned = scaled = self._turned(picture)
        size = turned.shape[-2:]
        if self.scale != 1:
            scaled = turned.reshape(-1, 1, *size)
            scaled = interpolate(scaled, [max(1, round(length * self.scale)) for length in size], mode="bicubic", antialias=True)
            scaled = scaled.reshape(*turned.shape[:-2], *scaled.shape[-2:])
        return scaled[..., _places(size[0], scaled.shape[-2], self.down), :][..., _places(size[1], scaled.shape[-1], self.right)]

    def noise(self, noise: Tensor) -> Tensor:
        """Noise `[.., H, W]` taken along but not scaled, what leaves over one edge coming in over the other: it stays white."""
        turned = self._turned(noise)
        return turned.roll((round(self.down * turned.shape[-2]), round(self.right * turned.shape[-1])), (-2, -1))

    def shape_before(self, shape: torch.Size) -> torch.Size:
        """The shape that a picture of this `shape` had before it was turned."""
        return torch.Size((*shape[:-2], shape[-1], shape[-2])) if self.quarters % 2 else shape

    def _turned(self, x: Tensor) -> Tensor:
        return (x.flip(-1) if self.mirror else x).rot90(self.quarters, (-2, -1))


def _places(length: int, of: int, shift: float) -> Tensor:
    """For each of `length` places which of the `of` places of a picture laid on their middle, `shift` times their length further on."""
    return (torch.arange(length) - (length - of) // 2 - round(shift * length)).clamp(0, of - 1)


@dataclass(frozen=True)
class MovedPath:
    inner: LayoutPath
    move: Move

    def at(self, sigma: Tensor, k: int) -> Tensor:
        mean = self.inner.mean(sigma, k)
        return self.move.picture(mean) + self.move.noise(self.inner.at(sigma, k) - mean)

    def mean(self, sigma: Tensor, k: int) -> Tensor:
        return self.move.picture(self.inner.mean(sigma, k))


@dataclass(frozen=True, eq=False)
class MovedLayout:
    """A layout whose picture is moved. Its prompt stays: what it says of left and right is as wrong as the move has made it."""

    inner: Layout
    move: Move
    kept = None

    def __post_init__(self):
        if self.samples.ndim < 4:
            raise ValueError("layout must be of pictures or videos to be moved, got one of sound")

    @property
    def latent(self) -> dict:
        latent = self.inner.latent | {"samples": self.move.picture(self.inner.samples)}
        mask = latent.get("noise_mask")
        return latent if mask is None else latent | {"noise_mask": self.move.picture(mask).clamp(0, 1)}

    @property
    def samples(self) -> Tensor:
        return self.move.picture(self.inner.samples)

    @property
    def conditioning(self) -> list:
        return self.inner.conditioning

    @property
    def sigmas(self) -> Tensor | None:
        return self.inner.sigmas

    @property
    def k_max(self) -> float:
        return self.inner.k_max

    def start_noise(self) -> Tensor:
        return self.move.noise(self.inner.start_noise())

    def check_fits(self, model, shape: torch.Size) -> None:
        self.inner.check_fits(model, self.move.shape_before(shape))

    def path(self, model, noising: Noising, like: Tensor) -> LayoutPath:
        path = self.inner.path(model, noising, like.new_empty(self.move.shape_before(like.shape)))
        if self.sigmas is None or self.move.scale == 1:
            return MovedPath(path, self.move)
        # What a run's latents have beside their end's picture and noise is a blurred negative of the picture in its old size.
        picture = path.mean(torch.zeros(()), 0)
        noise = self.inner.start_noise().to(picture).expand_as(picture)
        return MovedPath(NoisedPath(picture, lambda k: noise, noising), self.move)

    def same(self, other: Layout) -> bool:
        return self is other or (isinstance(other, MovedLayout) and self.move == other.move and self.inner.same(other.inner))
