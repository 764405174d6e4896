"""Puts edits of prompts, a layout's features and recordings into a run: for its time, and on the run's own copy of the host's options only.

A model that carries none of them in this run, and a call in which none is active, run as if nothing were there.
"""

from contextlib import nullcontext
from functools import partial

import comfy.model_management
import comfy.patcher_extension
import torch
from torch import Tensor

from ...magicmix_core.layout import variance_exploding
from ...magicmix_core.maps import MapStore, blend_mask, nearest_level
from .attention import CALL, Call, Watched, attends_to_itself, attention_levels, cross_attention, self_attention
from .edits import KEY, PromptEdit, edit_of, stands_at
from .features import Features, replaced_features
from .foreign_patches import check_merges_nothing
from .layouts import RecordedLatents, same_path
from .node_text import notes_of
from .placed_edits import PlacedEdit
from .recordings import Recording
from .run_checks import check_sampler, check_start, where_the_text_differs
from .samplers import BLEND
from .source_rows import SourceRows, call_with_rows

RECORDINGS = "magicmix_recordings"
FEATURES = "magicmix_features"
BLEND_START, BLEND_PLACES = 0.2, 16 * 16
"""Local blend as published: from a fifth of the run on, by maps of 16 x 16 places at 512 pixels, and of as many at other sizes."""


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


def sample_edited(executor, noise: Tensor, latent_image: Tensor, sampler, sigmas: Tensor, *args, **kwargs) -> Tensor:
    """A whole run of the host with the edits and recordings of its prompts (a wrapper of its `outer_sample`)."""
    guider = executor.class_obj
    run = EditedRun(guider, noise)
    check_sampler(run, sampler, sigmas)
    if run.edits or run.recordings or run.features:
        run.install(guider.model_options)
    result = executor(noise, latent_image, sampler, sigmas, *args, **kwargs)
    for recording, store in run.recordings.items():
        if not store.empty:  # as it is where the prompt's own range of steps was left out
            recording.keep(store.mean(recording.places), result)
    return result


class EditedRun:
    """What a run needs to know: its features and recordings; and by the uuid of each conditioning its edit, that edit's source rows, what is watched there."""

    def __init__(self, guider, noise: Tensor):
        """Raises ValueError for a layout that does not fit, or a prompt of which only a part of the picture is drawn."""
        self.guider = guider
        self.model_sampling = guider.model_patcher.get_model_object("model_sampling")
        self.notes = notes_of(guider.model_options["transformer_options"])
        self.levels = attention_levels(guider.model_patcher.model.diffusion_model)
        if not self.levels:
            raise ValueError("model must be a UNet with cross-attention that draws pictures, as Stable Diffusion 1.x, 2.x and XL are")
        self.size = tuple(noise.shape[-2:])
        self.sigma, self.ends = 0.0, {}
        self.edits: dict = {}
        self.watched: dict = {}
        self.sources: list[SourceRows] = []
        self.source_of: dict[object, SourceRows] = {}
        self.blends: dict = {}
        self.placed: dict[PromptEdit, PlacedEdit] = {}
        self.begun = False
        edits, recordings = (guider.model_patcher.get_attachment(key) or () for key in (KEY, RECORDINGS))
        self.features: Features | None = guider.model_patcher.get_attachment(FEATURES)
        self.recordings = {recording: MapStore() for recording in recordings}
        for kind, conditionings in list(guider.conds.items()):
            if "negative" not in kind:  # conditional rows only
                for conditioning in conditionings:
                    self._take(conditioning, edits, noise)
        if edits and not self.edits:
            self.notes.add(
                "the model carries an edit of a prompt that is not sampled here, so it does nothing: connect the edit's conditioning too"
            )
        if recordings and not self.watched:
            raise ValueError(where_the_text_differs(self, recordings[-1]))
        if self.features is not None:
            for kind, conditionings in guider.conds.items():
                if any(map(_limited_to_an_area, conditionings)):
                    raise ValueError(f"{kind} must not be limited to an area where a layout is followed: limit it by a mask")
            self._check_fits(self.features.layout, noise)
            self.feature_rows = self._rows_of(self.features.layout)
        if self.sources:
            check_merges_nothing(guider.model_patcher.model_options["transformer_options"].get("patches", {}))

    def _take(self, conditioning: dict, edits: tuple[PromptEdit, ...], noise: Tensor) -> None:
        uuid, context = conditioning["uuid"], conditioning.get("cross_attn")
        if context is None:
            return
        width = context.shape[1]
        found = [
            Watched(recording, start, width, self._level(recording.places), store)
            for recording, store in self.recordings.items()
            for start in range(width - recording.encoding.shape[1] + 1)
            if stands_at(recording.encoding, context, start)
        ]
        edit = edit_of(conditioning, edits)
        if (found or (edit is not None and edit.source is not None)) and _limited_to_an_area(conditioning):
            raise ValueError("positive must not be limited to an area where a layout is followed or maps are recorded: limit it by a mask")
        if found:
            self.watched[uuid] = found
        if edit is not None:
            self.edits[uuid] = edit
            if edit.source is not None:
                self._check_fits(edit.source.layout, noise)
                if edit.source.blends or edit.source.until > 0:
                    self.source_of[uuid] = self._rows_of(edit.source.layout, edit.source.conditioning)
                if edit.source.blends:
                    self.blends[uuid] = MapStore()

    def _level(self, places: int) -> int:
        """The level of the model's layers that look at a picture of about this many places."""
        return nearest_level(set(self.levels.values()), *self.size, places)

    @property
    def blend_places(self) -> int:
        height, width = self.size
        return max(BLEND_PLACES, height * width // 16)

    def _check_fits(self, layout: RecordedLatents, noise: Tensor) -> None:
        layout.path(self.guider.model_patcher.model, variance_exploding, noise)  # refuses what does not fit

    def _rows_of(self, layout: RecordedLatents, conditioning: list | None = None) -> SourceRows:
        """The rows of `layout`, seen with `conditioning`, or with the prompt of an edit, or else with its own: shared where they can be."""
        for rows in self.sources:
            if same_path(rows.layout, layout) and (conditioning is None or torch.equal(rows.context, conditioning[0])):
                return rows
        self.sources.append(SourceRows(self.guider, layout, conditioning or layout.conditioning[0], f"{KEY}_{len(self.sources)}"))
        return self.sources[-1]

    def install(self, model_options: dict) -> None:
        """Into a run's options, which the host copied for this run."""
        options = model_options["transformer_options"]
        kinds = comfy.patcher_extension.WrappersMP
        wrappers = [(kinds.DIFFUSION_MODEL, self.call_unet)]
        if self.sources:
            wrappers += [(kinds.PREPARE_SAMPLING, self.prepare_sampling), (kinds.CALC_COND_BATCH, self.calc_cond_batch)]
        for kind, wrapper in wrappers:
            comfy.patcher_extension.add_wrapper_with_key(kind, KEY, wrapper, options)
        if self.blends:
            options[BLEND] = self.blend
        unet, replacements = self.guider.model_patcher.model.diffusion_model, options.setdefault("patches_replace", {})
        for name, needed in (("attn1", self.sources), ("attn2", self.edits or self.watched)):
            there = dict(replacements.get(name, {}))
            for place, level in self.levels.items():
                if name == "attn1" and not attends_to_itself(unet, place):
                    continue
                previous = there.get(place) or there.get(place[:2])
                replace = partial(self_attention, previous) if name == "attn1" else partial(cross_attention, previous, level)
                if needed or (previous and self.sources):  # which is shown the host's rows only
                    there[place] = replace
            replacements[name] = there

    @property
    def rows(self) -> int:
        """How many rows the sources put into a call at the most."""
        return sum(source.count for source in self.sources)

    def prepare_sampling(self, executor, model, noise_shape: torch.Size, conds: dict, model_options: dict | None = None):
        """Has the host make room for the rows of the sources too (a wrapper of its `prepare_sampling`)."""
        return executor(model, torch.Size([noise_shape[0] + self.rows, *noise_shape[1:]]), conds, model_options=model_options)

    def calc_cond_batch(self, executor, model, conds: list, x: Tensor, timestep: Tensor, model_options: dict) -> list[Tensor]:
        """One prompt after the other where memory is too short for all with the rows of the sources (a wrapper of the host's)."""
        wanted = [index for index, cond in enumerate(conds) if cond is not None]
        shape = [len(wanted) * x.shape[0] + self.rows, *x.shape[1:]]
        # Half as much again, as the host reckons for its own rows.
        if len(wanted) < 2 or model.memory_required(shape) * 1.5 < comfy.model_management.get_free_memory(x.device):
            return executor(model, conds, x, timestep, model_options)
        results = [torch.zeros_like(x)] * len(conds)
        for index in wanted:
            alone = [cond if place == index else None for place, cond in enumerate(conds)]
            results[index] = executor(model, alone, x, timestep, model_options)[index]
        return results

    def before(self, share: float) -> bool:
        """Whether the noise level lies before this share of the model's timesteps, counted from pure noise, as K counts them."""
        if share not in self.ends:
            self.ends[share] = float(self.model_sampling.percent_to_sigma(share))
        # A little above, because some samplers take their levels through other units.
        return self.sigma > self.ends[share] * (1 + 1e-4)

    def call_unet(self, executor, x: Tensor, timesteps: Tensor, context: Tensor, y=None, control=None, transformer_options=None, **more):
        """One call of the UNet, with the rows of the sources that are active in it (a wrapper of the host's `forward`)."""
        self.sigma = float(transformer_options["sigmas"][0])

        def by_chunk(table: dict) -> dict:
            return {chunk: table[uuid] for chunk, uuid in enumerate(transformer_options["uuids"]) if uuid in table}

        edits = {chunk: self._placed(edit, x) for chunk, edit in by_chunk(self.edits).items()}
        active = {chunk: source for chunk, source in by_chunk(self.source_of).items() if edits[chunk].edit.source.active(self.before)}
        features = self.features if self.features is not None and self.before(self.features.until) else None
        wanted = {*active.values(), *([self.feature_rows] if features else [])}
        sources = [source for source in self.sources if source in wanted]
        places, front = {}, 0
        for source in sources:
            places[source] = slice(front, front := front + source.count)
        call = Call(
            front=front,
            batch=x.shape[0] // len(transformer_options["uuids"]),
            before=self.before,
            edits=edits,
            rows={chunk: places[source] for chunk, source in active.items()},
            operators={chunk: edits[chunk].operators(self.before) for chunk in active},
            blends={chunk: store for chunk, store in by_chunk(self.blends).items() if chunk in active},
            blend_level=self._level(self.blend_places),
            watched=by_chunk(self.watched),
            features=features and (features, places[self.feature_rows]),
        )
        arguments = (x, timesteps, context, y, control, {**transformer_options, CALL: call})
        if not sources:
            return executor(*arguments, **more)
        if not self.begun:
            check_start(self, sources, x, transformer_options)
        self.begun = True
        with replaced_features(executor.class_obj, *call.features, front, self.before) if call.features else nullcontext():
            return call_with_rows(sources, executor, *arguments, **more)

    def _placed(self, edit: PromptEdit, x: Tensor) -> PlacedEdit:
        if edit not in self.placed or not self.placed[edit].fits(x):
            self.placed[edit] = PlacedEdit(edit, x)
        return self.placed[edit]

    def blend(self, like: Tensor) -> Tensor | None:
        """Where the picture may change so far, `[B, 1, H, W]` for the latent `like`, 1 or 0; None as long as it may everywhere."""
        stores = [store for store in self.blends.values() if not store.empty]
        if self.before(BLEND_START) or not stores:
            return None
        return torch.stack([blend_mask(store.mean(self.blend_places), *like.shape[-2:]).to(like) for store in stores]).amax(0)


def _limited_to_an_area(conditioning: dict) -> bool:
    return "area" in conditioning or conditioning.get("set_area_to_bounds", False)
