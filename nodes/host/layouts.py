"""What a MAGICMIX_LAYOUT socket carries: enough to make a layout path once the model joins in, when sampling."""

from dataclasses import dataclass

import comfy.sample
import comfy.utils
import torch
from torch import Tensor

from ...magicmix_core.layout import ImageLayout, LayoutPath, Noising, RecordedLayout, independent_noise, shared_noise
from ..checks import check_layout_fits

NOISES = {"shared": shared_noise, "independent": independent_noise}


def as_frames(picture: Tensor, ndim: int) -> Tensor:
    """A latent picture `[B, C, H, W]` as a video of one frame, `[B, C, 1, H, W]`, where latents have 5 axes; else as it is."""
    return picture.unsqueeze(2) if (picture.ndim, ndim) == (4, 5) else picture


@dataclass(frozen=True)
class LatentLayout:
    """An image's LATENT and how noise is laid over it."""

    latent: dict
    seed: int
    noise: str

    @property
    def samples(self) -> Tensor:
        """The picture, `[b, C, H, W]`, in the VAE's scaling."""
        return self.latent["samples"]

    def start_noise(self) -> Tensor:
        """Unit noise `[b, C, H, W]`."""
        return self._draw(self.seed)

    def path(self, model, noising: Noising, like: Tensor) -> LayoutPath:
        """The layout's path for `model` (a BaseModel), spread over the batch of `like` `[B, C, H, W]`."""
        check_layout_fits(as_frames(self.samples, like.ndim), like.shape)

        def spread(rows: Tensor) -> Tensor:
            return comfy.utils.repeat_to_batch_size(as_frames(rows.to(like), like.ndim), like.shape[0])

        x0 = spread(self.samples)
        if torch.count_nonzero(x0) > 0:  # the host does not shift an empty latent either
            x0 = model.process_latent_in(x0)
        return ImageLayout(x0, NOISES[self.noise](lambda seed: spread(self._draw(seed)), self.seed), noising)

    def _draw(self, seed: int) -> Tensor:
        """As the host's own KSampler draws it, so that rows of a batch keep their noise when alone; torch's global generator stays as it is."""
        return comfy.sample.prepare_noise_inner(self.samples, torch.Generator().manual_seed(seed), self.latent.get("batch_index"))


@dataclass(frozen=True)
class RecordedLatents:
    """The path of a run: `latents` `[n + 1, b, C, H, W]` in the model's scaling at `sigmas` `[n + 1]`, on the CPU.

    `conditioning` is the CONDITIONING that the model followed it with.
    """

    latent: dict
    sigmas: Tensor
    latents: Tensor
    latent_format: str
    conditioning: list

    @property
    def samples(self) -> Tensor:
        """The picture at the path's end, `[b, C, H, W]`, in the VAE's scaling."""
        return self.latent["samples"]

    def start_noise(self) -> Tensor:
        """Unit noise `[b, C, H, W]`: what the path starts from."""
        return self.latents[0] / self.sigmas[0]

    def path(self, model, noising: Noising, like: Tensor) -> LayoutPath:
        """The layout's path for `model` (a BaseModel), spread over the batch of `like` `[B, C, H, W]`."""
        if self.latent_format != (works_on := type(model.latent_format).__name__):
            raise ValueError(
                f"layout was recorded on {self.latent_format} latents, the model works on {works_on}: record it with this model"
            )
        check_layout_fits(self.samples, like.shape)
        return RecordedLayout(self.sigmas, self.latents, noising, like)


Layout = LatentLayout | RecordedLatents


def check_has_prompt(layout: Layout) -> None:
    """Raises ValueError for a layout that no prompt was drawn for."""
    if not isinstance(layout, RecordedLatents):
        raise ValueError(
            "layout must come from MagicMix Layout From Prompt or Layout Inversion: noise over a picture has no prompt of its own"
        )


def same_path(a: Layout, b: RecordedLatents) -> bool:
    """Whether `a` is `b`, or one made again alike: caches may have kept what was made of the first and not the first itself."""
    return a is b or (
        isinstance(a, RecordedLatents)
        and a.latent_format == b.latent_format
        and torch.equal(a.sigmas, b.sigmas)
        and torch.equal(a.latents, b.latents)
    )
