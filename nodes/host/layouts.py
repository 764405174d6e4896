"""Layouts that need the host: a picture under noise, drawn as the host draws noise."""

from dataclasses import dataclass, replace

import comfy.sample
import comfy.utils
import torch
from torch import Tensor

from ...magicmix_core.checks import check_layout_fits
from ...magicmix_core.layout import Layout, NoisedPath, Noising, independent_noise, shared_noise

NOISES = {"shared": shared_noise, "independent": independent_noise}


def as_frames(picture: Tensor, ndim: int) -> Tensor:
    """A latent picture `[B, C, H, W]` as a video of one frame, `[B, C, 1, H, W]`, where latents have 5 axes; else as it is."""
    return picture.unsqueeze(2) if (picture.ndim, ndim) == (4, 5) else picture


def alike_in_size(first: Layout, second: Layout) -> tuple[Layout, Layout]:
    """Two layouts with the one that is a picture, the second rather than the first, scaled to the other."""
    if isinstance(second, PictureLayout):
        return first, second.scaled_like(first.samples)
    return (first.scaled_like(second.samples) if isinstance(first, PictureLayout) else first), second


@dataclass(frozen=True)
class PictureLayout:
    """A picture's LATENT and how noise is laid over it. It has no prompt."""

    latent: dict
    seed: int
    noise: str

    conditioning = sigmas = kept = None
    k_max = 1.0

    @property
    def samples(self) -> Tensor:
        return self.latent["samples"]

    def start_noise(self) -> Tensor:
        return self._draw(self.seed)

    def check_fits(self, model, shape: torch.Size) -> None:
        check_layout_fits(as_frames(self.samples, len(shape)), shape)

    def path(self, model, noising: Noising, like: Tensor) -> NoisedPath:
        self.check_fits(model, like.shape)

        def spread(rows: Tensor) -> Tensor:
            return comfy.utils.repeat_to_batch_size(as_frames(rows.to(like), like.ndim), like.shape[0])

        x0 = spread(self.samples)
        if torch.count_nonzero(x0) > 0:  # the host does not shift an empty latent either
            x0 = model.process_latent_in(x0)
        return NoisedPath(x0, NOISES[self.noise](lambda seed: spread(self._draw(seed)), self.seed), noising)

    def same(self, other: Layout) -> bool:
        return self is other or (
            isinstance(other, PictureLayout)
            and (self.seed, self.noise, self.latent.get("batch_index")) == (other.seed, other.noise, other.latent.get("batch_index"))
            and torch.equal(self.samples, other.samples)
        )

    def scaled_like(self, samples: Tensor) -> "PictureLayout":
        """The same picture, as a frame or not as `samples` `[b, C, .., H, W]` are, and of their size; its noise is drawn in it."""
        size = samples.shape[-2:]
        picture = as_frames(self.samples, samples.ndim)
        if picture.shape[-2:] != size and picture.ndim > 3:
            picture = comfy.utils.common_upscale(picture, size[1], size[0], "bicubic", "disabled")
        return replace(self, latent=self.latent | {"samples": picture})

    def _draw(self, seed: int) -> Tensor:
        """As the host's own KSampler draws it, so that rows of a batch keep their noise when alone; torch's global generator stays as it is."""
        return comfy.sample.prepare_noise_inner(self.samples, torch.Generator().manual_seed(seed), self.latent.get("batch_index"))
