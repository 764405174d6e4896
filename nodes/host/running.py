"""Whole runs: the host's guidance, progress bar and previews around our samplers."""

from collections.abc import Callable
from dataclasses import replace

import comfy.sample
import comfy.utils
import latent_preview
import torch
from torch import Tensor

from ...magicmix_core.checks import check_kind
from ...magicmix_core.kept import Keeping, Kept
from ...magicmix_core.layout import RecordedLayout
from ...magicmix_core.steering import Reads
from .carrying import KEY
from .families import check_conditionings, check_kept_shape, check_run, pooled
from .layouts import as_frames
from .samplers import InvertingSampler, MixingSampler, ReadingSampler, RecordingSampler, window_of
from .source_rows import as_a_source
from .steered_run import steer

Callback = Callable[[int, Tensor, Tensor, int], None]
"""Of the host: the step, the denoised latent, the latent, and how many steps there are."""


def mix_layout(
    model, sampler: MixingSampler, sigmas: Tensor, seed: int, cfg: float, positive: list, negative: list, callback: Callback | None = None
) -> dict:
    """Run `sampler` over `sigmas` with classifier-free guidance `cfg`; returns a LATENT of the layout's size.

    `callback` sees the steps in place of a progress bar of the run's own. The batch is the layout's, or one row for each row of nu. Raises ValueError for a layout of another model family.
    """
    layout = sampler.layout
    start, picture = (own_kind(model, "layout", rows) for rows in (layout.start_noise(), layout.samples))
    batch = max(len(picture), sampler.nu.rows)
    noise, samples = (comfy.utils.repeat_to_batch_size(rows, batch) for rows in (start, picture))
    return _run(model, sampler, sigmas, seed, cfg, positive, negative, layout.latent | {"samples": samples}, noise, callback)


def record_prompt(model, plain, sigmas: Tensor, seed: int, cfg: float, positive: list, negative: list, latent: dict) -> RecordedLayout:
    """Sample as the core's KSampler does, to the bit, and keep the path. Raises ValueError for one that is not finite."""
    latent = latent | {"samples": own_kind(model, "latent", comfy.sample.fix_empty_latent_channels(model, latent["samples"]))}
    noise = comfy.sample.prepare_noise(latent["samples"], seed, latent.get("batch_index"))
    sampler = RecordingSampler(plain)
    result = _run(model, sampler, sigmas, seed, cfg, positive, negative, latent, noise)
    _check_came_out("model, positive, negative and cfg", sampler.latents)
    return RecordedLayout(result, sampler.sigmas, sampler.latents, _latent_format(model), positive)


def invert_image(model, sigmas: Tensor, refinements: int, positive: list, latent: dict, k_max: float = 1.0) -> tuple[RecordedLayout, dict]:
    """The path of the image in `latent` at guidance 1 up to `k_max`, over the steps that a mix runs below it, and the noise at its top
    as a LATENT.

    Raises ValueError for a path that is not finite, and for a `k_max` below all steps.
    """
    if k_max < 1:
        sigmas = window_of(model.get_model_object("model_sampling"), k_max, 0).executed(sigmas)
        if len(sigmas) < 2:
            raise ValueError(f"k_max must leave steps to go: none of the schedule lies below {k_max:g}. Set it higher or take more steps")
    sampler = InvertingSampler(refinements, k_max)
    latent = {key: value for key, value in latent.items() if key != "noise_mask"}
    latent |= {"samples": own_kind(model, "latent", latent["samples"])}
    nothing = torch.zeros_like(latent["samples"])
    noise = _run(model, sampler, sigmas, 0, 1.0, positive, positive, latent, nothing)
    _check_came_out("model, positive and latent", sampler.latents)
    path = sigmas.cpu(), sampler.latents, _latent_format(model), positive
    return RecordedLayout(latent, *path, k_max=k_max, noise=sampler.noise), noise


def keep_for_edits(model, layout: RecordedLayout, reads: Reads) -> RecordedLayout:
    """The layout with what edits read of it kept: the model looks once more at each of its latents, alone with the layout's prompt.

    Raises ValueError for a layout of several prompts.
    """
    if len(layout.conditioning) != 1:
        raise ValueError(f"positive must be one prompt where keep is not off, got {len(layout.conditioning)} combined ones")
    kept = Kept(reads)
    model = model.clone()
    model.set_attachments(KEY, ())  # as it will be seen: the layout alone
    positive = [as_a_source(layout.conditioning[0])]
    latent = {"samples": layout.samples}
    _run(
        steer(model, Keeping(kept)),
        ReadingSampler(layout.latents),
        layout.sigmas,
        0,
        1.0,
        positive,
        positive,
        latent,
        torch.zeros_like(layout.samples),
    )
    return replace(layout, kept=kept)


def _run(
    model,
    sampler,
    sigmas: Tensor,
    seed: int,
    cfg: float,
    positive: list,
    negative: list,
    latent: dict,
    noise: Tensor,
    callback: Callback | None = None,
) -> dict:
    check_conditionings(model, positive=positive, negative=negative)
    check_run(model, cfg, latent, positive=positive, negative=negative)
    with pooled(positive=positive, negative=negative):
        samples = comfy.sample.sample_custom(
            model,
            noise,
            cfg,
            sampler,
            sigmas,
            positive,
            negative,
            latent["samples"],
            noise_mask=latent.get("noise_mask"),
            callback=callback or latent_preview.prepare_callback(model, len(sigmas) - 1),
            disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
            seed=seed,
        )
    return latent | {"samples": samples}


def _check_came_out(inputs: str, latents: Tensor) -> None:
    """Raises ValueError naming the `inputs` that a path came from, when it is none to be followed."""
    bad = latents.numel() - int(torch.isfinite(latents).sum())
    if bad:
        raise ValueError(f"{inputs} must together give a layout of finite numbers, got {bad} of {latents.numel()} that are NaN or infinite")


def own_kind(model, name: str, samples: Tensor) -> Tensor:
    """A latent as `model` takes it, a picture as a video of one frame. Raises ValueError naming `name` for one of another kind."""
    check_kept_shape(model)
    kind = model.get_model_object("latent_format")
    samples = as_frames(samples, kind.latent_dimensions + 2)
    check_kind(name, samples, kind.latent_channels, kind.latent_dimensions)
    return samples


def _latent_format(model) -> str:
    return type(model.get_model_object("latent_format")).__name__
