"""Puts edits of prompts, a layout's features and recordings into a run: for its time, and on the run's own copy of the host's options only.

A model that carries none of them in this run, and a call in which none is active, run as if nothing were there.
"""

import logging
from contextlib import nullcontext
from functools import partial

import comfy.patcher_extension
import torch
from torch import Tensor

from ...magicmix_core.layout import variance_exploding
from ...magicmix_core.maps import MapStore, blend_mask
from .attention import CALL, Call, attention_places, cross_attention, self_attention
from .edits import KEY, PromptEdit, edit_of, stands_at
from .features import Features, replaced_features
from .layouts import Layout
from .recordings import Recording
from .samplers import BLEND, MixingSampler
from .source_rows import SourceRows, call_with_rows

RECORDINGS = "magicmix_recordings"
FEATURES = "magicmix_features"
BLEND_START, BLEND_PLACES = 0.2, 16 * 16
"""Local blend as published: from a fifth of the run on, by maps of 16 x 16 places."""


def attach(model, conditioning: list, edit: PromptEdit) -> tuple:
    """A clone of `model` that carries out `edit`, and `conditioning` carrying it."""
    edits = (*(model.get_attachment(KEY) or ()), edit)
    return _with(model, KEY, edits), [[context, {**more, KEY: edit}] for context, more in conditioning]


def record(model, recording: Recording):
    """A clone of `model` whose runs fill `recording`."""
    return _with(model, RECORDINGS, (*(model.get_attachment(RECORDINGS) or ()), recording))


def follow(model, features: Features):
    """A clone of `model` whose runs take `features`, instead of others that it may have taken."""
    return _with(model, FEATURES, features)


def _with(model, key: str, attachment):
    model = model.clone()
    model.set_attachments(key, attachment)
    kind = comfy.patcher_extension.WrappersMP.OUTER_SAMPLE
    if not model.get_wrappers(kind, KEY):
        model.add_wrapper_with_key(kind, KEY, sample_edited)
    return model


def sample_edited(executor, noise: Tensor, latent_image: Tensor, sampler, *args, **kwargs) -> Tensor:
    """A whole run of the host with the edits and recordings of its prompts (a wrapper of its `outer_sample`)."""
    guider = executor.class_obj
    run = EditedRun(guider, noise)
    if run.blends and not isinstance(sampler, MixingSampler):
        raise ValueError("local_blend needs the MagicMix Interpolating KSampler or the MagicMix Sampler, with the same layout")
    if run.edits or run.recordings or run.features:
        run.install(guider.model_options["transformer_options"])
    return executor(noise, latent_image, sampler, *args, **kwargs)


class EditedRun:
    """What a run needs to know: its features; and by the uuid of each conditioning its edit, that edit's source rows, what it records."""

    def __init__(self, guider, noise: Tensor):
        """Raises ValueError for a layout that does not fit, or a prompt of which only a part of the picture is drawn."""
        self.guider = guider
        self.places = list(attention_places(guider.model_patcher.model.diffusion_model))
        if not self.places:
            raise ValueError("model must be a UNet with cross-attention, as Stable Diffusion 1.x, 2.x and XL are")
        self.progress = 0.0
        self.edits: dict = {}
        self.recordings: dict = {}
        self.sources: list[SourceRows] = []
        self.source_of: dict[object, SourceRows] = {}
        self.blends: dict = {}
        edits, recordings = (guider.model_patcher.get_attachment(key) or () for key in (KEY, RECORDINGS))
        self.features: Features | None = guider.model_patcher.get_attachment(FEATURES)
        for recording in recordings:
            recording.begin(tuple(noise.shape[-2:]))
        for kind, conditionings in list(guider.conds.items()):
            if "negative" not in kind:  # conditional rows only
                for conditioning in conditionings:
                    self._take(conditioning, edits, recordings, noise)
        if edits and not self.edits:
            message = (
                "MagicMix: the model edits the attention of prompts, but none of this run's is one of them: connect their conditioning too"
            )
            logging.warning(message)
        if recordings and not self.recordings:
            raise ValueError("text must be the prompt that is sampled, encoded by the same clip: no prompt of this run is the recorded one")
        if self.features is not None:
            for kind, conditionings in guider.conds.items():
                if any(map(_limited_to_an_area, conditionings)):
                    raise ValueError(f"{kind} must not be limited to an area where a layout is followed: limit it by a mask")
            self._check_fits(self.features.layout, noise)
            self.feature_rows = self._rows_of(self.features.layout)

    def _take(self, conditioning: dict, edits: tuple[PromptEdit, ...], recordings: tuple[Recording, ...], noise: Tensor) -> None:
        uuid, context = conditioning["uuid"], conditioning.get("cross_attn")
        if context is None:
            return
        width = context.shape[1]
        found = [(each, start, width) for each in recordings for start in range(width) if stands_at(each.encoding, context, start)]
        edit = edit_of(conditioning, edits)
        if (found or (edit is not None and edit.source is not None)) and _limited_to_an_area(conditioning):
            raise ValueError("positive must not be limited to an area where a layout is followed or maps are recorded: limit it by a mask")
        if found:
            self.recordings[uuid] = found
        if edit is not None:
            self.edits[uuid] = edit
            if edit.source is not None:
                self._check_fits(edit.source.layout, noise)
                if edit.source.active(0):
                    self.source_of[uuid] = self._rows_of(edit.source.layout, edit.source.conditioning)
                if edit.source.blends:
                    self.blends[uuid] = MapStore()

    def _check_fits(self, layout: Layout, noise: Tensor) -> None:
        layout.path(self.guider.model_patcher.model, variance_exploding, noise)  # refuses what does not fit

    def _rows_of(self, layout: Layout, conditioning: list | None = None) -> SourceRows:
        """The rows of `layout`, seen with `conditioning`, or with the prompt of an edit, or else with its own: shared where they can be."""
        for rows in self.sources:
            if rows.layout is layout and (conditioning is None or torch.equal(rows.context, conditioning[0])):
                return rows
        self.sources.append(SourceRows(self.guider, layout, conditioning or layout.conditioning[0], f"{KEY}_{len(self.sources)}"))
        return self.sources[-1]

    def install(self, options: dict) -> None:
        """Into a run's `transformer_options`, which the host copied for this run."""
        wrapper = comfy.patcher_extension.WrappersMP.DIFFUSION_MODEL
        comfy.patcher_extension.add_wrapper_with_key(wrapper, KEY, self.call_unet, options)
        if self.blends:
            options[BLEND] = self.blend
        replacements = options.setdefault("patches_replace", {})
        for name, replace, needed in (("attn1", self_attention, self.sources), ("attn2", cross_attention, self.edits or self.recordings)):
            there = dict(replacements.get(name, {}))
            for place in self.places:
                before = there.get(place) or there.get(place[:2])
                if needed or (before and self.sources):  # which is shown the host's rows only
                    there[place] = partial(replace, before)
            replacements[name] = there

    def call_unet(self, executor, x: Tensor, timesteps: Tensor, context: Tensor, y=None, control=None, transformer_options=None, **more):
        """One call of the UNet, with the rows of the sources that are active in it (a wrapper of the host's `forward`)."""
        self.progress = steps_done(transformer_options)

        def by_chunk(table: dict) -> dict:
            return {chunk: table[uuid] for chunk, uuid in enumerate(transformer_options["uuids"]) if uuid in table}

        edits = by_chunk(self.edits)
        active = {chunk: source for chunk, source in by_chunk(self.source_of).items() if edits[chunk].source.active(self.progress)}
        features = self.features if self.features is not None and self.features.active(self.progress) else None
        wanted = {*active.values(), *([self.feature_rows] if features else [])}
        sources = [source for source in self.sources if source in wanted]
        places, front = {}, 0
        for source in sources:
            places[source] = slice(front, front := front + source.count)
        rows = {chunk: places[source] for chunk, source in active.items()}
        blends = {chunk: store for chunk, store in by_chunk(self.blends).items() if chunk in rows}
        batch = x.shape[0] // len(transformer_options["uuids"])
        followed = features and (features, places[self.feature_rows])
        call = Call(front, batch, self.progress, edits, rows, blends, by_chunk(self.recordings), followed)
        arguments = (x, timesteps, context, y, control, {**transformer_options, CALL: call})
        if not sources:
            return executor(*arguments, **more)
        with replaced_features(executor.class_obj, *followed, front, self.progress) if followed else nullcontext():
            return call_with_rows(sources, executor, *arguments, **more)

    def blend(self, like: Tensor) -> Tensor | None:
        """Where the picture may change so far, `[B, 1, H, W]` for the latent `like`, 1 or 0; None as long as it may everywhere."""
        if self.progress < BLEND_START:
            return None
        size = like.shape[-2:]
        return torch.stack([blend_mask(store.mean(*size, BLEND_PLACES), *size).to(like) for store in self.blends.values()]).amax(0)


def _limited_to_an_area(conditioning: dict) -> bool:
    return "area" in conditioning or conditioning.get("set_area_to_bounds", False)


def steps_done(options: dict) -> float:
    """The fraction of the run's steps that are done when the model is called at this noise level."""
    sigmas, sigma = options["sample_sigmas"], options["sigmas"][0]
    # A little below, because some samplers take their levels through other units.
    return float((sigmas[1:] >= sigma * (1 - 1e-4)).sum()) / (len(sigmas) - 1)
