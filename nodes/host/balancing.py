"""Runs of one mix with several nus, until as much of the layout remains as is wanted."""

from collections.abc import Callable
from dataclasses import dataclass

import latent_preview
import torch
from torch import Tensor

from ...magicmix_core.balance import NuSearch, remains
from ...magicmix_core.harmony import GoldenSearch
from ...magicmix_core.nu import Nu
from .memory import fits
from .running import mix_layout, own_kind
from .samplers import MixingSampler

Measure = Callable[[Tensor, Tensor, Tensor], list[tuple[float, str]]]
"""Of mixes `[n, 3, H, W]` beside the layout's picture and the content's `[1, 3, H, W]`: for each what the search goes by, and in words."""


@dataclass(frozen=True)
class Try:
    """A mix `[1, C, H, W]` as a latent, its picture `[H, W, 3]`, and what was measured of it."""

    nu: float
    latent: Tensor
    picture: Tensor
    said: str


def what_remains(mixes: Tensor, layout: Tensor, content: Tensor) -> list[tuple[float, str]]:
    """The measure by structure and colours."""
    return [(share, f"{share:.2f}") for share in remains(mixes, layout, content)]


def balance(
    search: NuSearch | GoldenSearch,
    measure: Measure,
    mixing: Callable[[Nu], MixingSampler],
    schedule: str,
    vae,
    model,
    sigmas: Tensor,
    run: dict,
) -> list[Try]:
    """The tries of a search, by rising nu; `mixing(nu)` makes the sampler, `run` has the other inputs of `mix_layout`.

    Raises ValueError for a layout of several pictures.
    """
    alone = mixing(Nu(torch.ones(1, 1, 1, 1)))
    samples = _one_picture(model, vae, alone.layout.samples)
    seen = _picture(vae, samples)
    steps = len(alone.window(model.get_model_object("model_sampling")).executed(sigmas)) - 1
    report = latent_preview.prepare_callback(model, search.tries * steps)
    tried: list[Try] = []
    picture_of: dict[float, Tensor] = {}

    def draw(nus: list[float]) -> None:
        def progress(step: int, denoised: Tensor, x: Tensor, total: int) -> None:
            report(len(tried) * steps + (step + 1) * len(nus) - 1, denoised, x, search.tries * steps)

        sampler = mixing(Nu(torch.tensor(nus).reshape(-1, 1, 1, 1), schedule))
        latents = mix_layout(model, sampler, sigmas, callback=progress, **run)["samples"]
        if not torch.isfinite(latents).all():
            raise ValueError("model, positive, negative and cfg must together give a picture of finite numbers, got NaN or infinite ones")
        pictures = _picture(vae, latents)
        picture_of.update(zip(nus, pictures, strict=True))
        measured = measure(pictures, seen, picture_of[1.0][None])
        for nu, latent, picture, (score, said) in zip(nus, latents, pictures, measured, strict=True):
            tried.append(Try(nu, latent[None], picture.movedim(0, -1), said))
            search.found[nu] = score

    while nus := search.next():
        together = fits(model.model, [2 * len(nus), *samples.shape[1:]], model.load_device)
        for batch in [nus] if together else [[nu] for nu in nus]:
            draw(batch)
    return sorted(tried, key=lambda each: each.nu)


def _one_picture(model, vae, samples: Tensor) -> Tensor:
    """The layout's latent as the model takes it. Raises ValueError for several pictures, and for a VAE of another kind of latents."""
    if len(samples) != 1 or samples.ndim not in (4, 5) or (samples.ndim == 5 and samples.shape[2] != 1):
        raise ValueError(f"layout must be one picture for its balance to be found, got numbers in {' x '.join(map(str, samples.shape))}")
    samples = own_kind(model, "layout", samples)
    if vae.latent_channels != samples.shape[1]:
        raise ValueError(f"vae must be the model's own, for latents of {samples.shape[1]} channels; got one for {vae.latent_channels}")
    return samples


def _picture(vae, latents: Tensor) -> Tensor:
    """`[n, 3, H, W]` in 0..1."""
    return vae.decode(latents).flatten(0, -4)[..., :3].movedim(-1, 1).float().cpu()
