"""Layouts that need the host: a picture under noise, drawn as the host draws noise."""

from dataclasses import dataclass, field

import comfy.sample
import comfy.utils
import torch
from torch import Tensor

from ...magicmix_core.checks import check_layout_fits
from ...magicmix_core.layout import NoisedPath, Noising, independent_noise, shared_noise

NOISES = {"shared": shared_noise, "independent": independent_noise}


def as_frames(picture: Tensor, ndim: int) -> Tensor:
    """A latent picture `[B, C, H, W]` as a video of one frame, `[B, C, 1, H, W]`, where latents have 5 axes; else as it is."""
    return picture.unsqueeze(2) if (picture.ndim, ndim) == (4, 5) else picture


@dataclass(frozen=True)
class PictureLayout:
    """A picture's LATENT and how noise is laid over it. It has no prompt."""

    latent: dict
    seed: int
    noise: str
    conditioning: list = field(default_factory=list, init=False)

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

    def _draw(self, seed: int) -> Tensor:
        """As the host's own KSampler draws it, so that rows of a batch keep their noise when alone; torch's global generator stays as it is."""
        return comfy.sample.prepare_noise_inner(self.samples, torch.Generator().manual_seed(seed), self.latent.get("batch_index"))
