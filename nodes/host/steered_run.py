"""Ways of steering ride on a model and on conditionings; a run collects them, puts their sources' rows in, and hands every call to them.

They act for the run's time and on its own copy of the host's options only. A run without any is the host's own.
"""

from collections.abc import Callable, Iterable
from functools import reduce

import comfy.patcher_extension
import torch
from torch import Tensor

from ...magicmix_core.encodings import text_of
from ...magicmix_core.kept import Kept, KeptLevel
from ...magicmix_core.steered_call import Call, Rows, Taken
from ...magicmix_core.steering import Before, PromptOfRun, Reads, Source, SteeredPrompt, Steering, steered
from .carrying import KEY, carried_by
from .memory import fits
from .networks import network_of
from .node_text import notes_of
from .run_checks import check_draws_maps, check_is_met, check_not_joined, check_sampler, check_start, check_whole
from .source_rows import SourceRows
from .which_run import origin_here

ReadApart = Callable[[SourceRows, float, Reads], KeptLevel | None]
AT_FIRST: Before = (0.0).__lt__
"""Whether a run that has not begun lies before a share of the timesteps."""
AT_LAST: Before = (1.0).__lt__


def steer(model, *ways: Steering):
    """A clone of `model` whose runs are steered in these ways too."""
    model = model.clone()
    model.set_attachments(KEY, (*carried_by(model), *ways))
    kind = comfy.patcher_extension.WrappersMP.OUTER_SAMPLE
    if not model.get_wrappers(kind, KEY):
        model.add_wrapper_with_key(kind, KEY, sample_steered)
    return model


def sample_steered(executor, noise: Tensor, latent_image: Tensor, sampler, sigmas: Tensor, *args, **kwargs) -> Tensor:
    """A whole run of the host (a wrapper of its `outer_sample`)."""
    guider = executor.class_obj
    run = SteeredRun(guider, noise)
    check_sampler(run, sampler, sigmas)
    if run.prompts:
        run.install(guider.model_options)
    if run.mixes:
        sampler = sampler.shaped(run.nu)
    result = executor(noise, latent_image, sampler, sigmas, *args, **kwargs)
    for way in run.met:
        way.finish(run.drawing, result, origin_here())
    return result


class SteeredRun:
    """What steers a run: by the uuid of each conditioning its `prompts`, the `sources` that they take from, and all ways it has `met`."""

    def __init__(self, guider, noise: Tensor):
        """Raises ValueError for a layout that does not fit, for a prompt of which only a part of the picture is drawn, and for a
        network that cannot be steered."""
        self.guider = guider
        self.network = network_of(guider.model_patcher)
        self.model_sampling = guider.model_patcher.get_model_object("model_sampling")
        self.notes = notes_of(guider.model_options["transformer_options"])
        self.drawing = self.network.drawing(noise)
        self.known = carried_by(guider.model_patcher)
        self.met: dict[Steering, None] = {}
        self.prompts: dict[object, list[SteeredPrompt]] = {}
        self.begun = False
        self._ends: dict[float, float] = {}
        self._stores: dict[Source, Kept | None] = {}
        for kind, conditionings in guider.conds.items():
            for conditioning in conditionings:
                self._take(kind, conditioning, noise)
        check_is_met(self)
        self.rows_of = self._sources_of(source for each in self.all_prompts() if (source := self.source_of(each)) is not None)
        self.sources = list(dict.fromkeys(self.rows_of.values()))

    def _take(self, kind: str, conditioning: dict, noise: Tensor) -> None:
        context = conditioning.get("cross_attn")
        context = noise.new_zeros(1, 0, 1) if context is None else text_of(context, conditioning)
        prompt = PromptOfRun(context, "negative" not in kind, tuple(conditioning.get(KEY, ())))
        for way, acting in steered(prompt, self.known, self.drawing):
            check_whole(kind, conditioning, way)
            check_not_joined(kind, conditioning, way)
            check_draws_maps(acting, noise)
            if way.source is not None:
                way.source.layout.check_fits(self.guider.model_patcher.model, noise.shape)
            self.met[way] = None
            if acting.acts(AT_FIRST) or acting.acts(AT_LAST):
                self.prompts.setdefault(conditioning["uuid"], []).append(acting)

    def _sources_of(self, needed: Iterable[Source]) -> dict[Source, SourceRows]:
        """The rows for each source; shared where they can be."""
        found: dict[Source, SourceRows] = {}
        for source in sorted(needed, key=lambda source: source.conditioning is None):  # that with any prompt takes another's
            for rows in found.values():
                if rows.serves(source):
                    found[source] = rows
                    break
            else:
                key = f"{KEY}_{len(found)}"
                found[source] = SourceRows(self.guider, source.layout, source.conditioning or source.layout.conditioning[0], key)
        return found

    def all_prompts(self) -> list[SteeredPrompt]:
        return [each for prompts in self.prompts.values() for each in prompts]

    @staticmethod
    def source_of(prompt: SteeredPrompt) -> Source | None:
        """What a prompt takes from at any time of a run."""
        return prompt.needs(AT_FIRST)

    @property
    def mixes(self) -> list[SteeredPrompt]:
        """Those prompts that need a sampler which mixes a layout in."""
        return [each for each in self.all_prompts() if each.mixes]

    @property
    def blends(self) -> list[Source]:
        """The sources of those that hold the rest of the picture to the layout."""
        return [source for each in self.mixes if (source := self.source_of(each)) is not None]

    @property
    def rows(self) -> int:
        """How many rows the sources put into a call at the most."""
        return sum(source.count for source in self.sources)

    def before(self, share: float, sigma: float) -> bool:
        """Whether a noise level lies before this share of the model's timesteps, counted from pure noise, as K counts them."""
        if share not in self._ends:
            self._ends[share] = float(self.model_sampling.percent_to_sigma(share))
        # A little above, because some samplers take their levels through other units.
        return sigma > self._ends[share] * (1 + 1e-4)

    def install(self, model_options: dict) -> None:
        """Into a run's options, which the host copied for this run."""
        options = model_options["transformer_options"]
        kinds = comfy.patcher_extension.WrappersMP
        steered_kinds = frozenset().union(*(each.kinds for each in self.all_prompts()))
        wrappers = [self.network.install(options, self.call, steered_kinds, bool(self.sources))]
        if self.sources:
            wrappers += [(kinds.PREPARE_SAMPLING, self.prepare_sampling), (kinds.CALC_COND_BATCH, self.calc_cond_batch)]
        for kind, wrapper in wrappers:
            comfy.patcher_extension.add_wrapper_with_key(kind, KEY, wrapper, options)

    def call(self, options: dict, x: Tensor, read_apart: ReadApart = lambda source, sigma, reads: None) -> tuple[Call, list[SourceRows]]:
        """What a call of the network is steered by, whose input are the host's rows `x`, and the sources whose rows it needs.

        `read_apart(source, sigma, reads)` gives what is read of a source that the network cannot take beside the host's rows.
        """
        sigma = self.sigma = float(options["sigmas"][0])

        def before(share: float) -> bool:
            return self.before(share, sigma)

        acting = {
            chunk: [each for each in self.prompts[uuid] if each.acts(before)]
            for chunk, uuid in enumerate(options["uuids"])
            if uuid in self.prompts
        }
        needed = list(
            dict.fromkeys(source for prompts in acting.values() for each in prompts if (source := each.needs(before)) is not None)
        )
        if needed and not self.begun:
            self.begun = True
            check_start(self, [self.rows_of[source] for source in needed], x, sigma)
        taken: dict[Source, Taken] = {}
        for source in needed:
            level = self._kept(source, sigma) or read_apart(self.rows_of[source], sigma, self._reads_of(self.rows_of[source]))
            if level is not None:
                taken[source] = level
        wanted = {self.rows_of[source] for source in needed if source not in taken}
        sources = [source for source in self.sources if source in wanted]
        places, front = {}, 0
        for source in sources:
            places[source] = Rows(slice(front, front := front + source.count))
        taken |= {source: places[self.rows_of[source]] for source in needed if source not in taken}
        batch = x.shape[0] // len(options["uuids"])
        return Call(sigma, front, batch, before, {chunk: prompts for chunk, prompts in acting.items() if prompts}, taken), sources

    def _reads_of(self, rows: SourceRows) -> Reads:
        """All that any prompt of the run reads of these rows."""
        reads = [each.reads for each in self.all_prompts() if self.rows_of.get(self.source_of(each)) is rows]
        return reduce(Reads.joined, reads)

    def _kept(self, source: Source, sigma: float) -> KeptLevel | None:
        """What was kept of a source at a noise level, where that is all that is read of it."""
        if source not in self._stores:
            self._stores[source] = self.rows_of[source].kept(self._reads_of(self.rows_of[source]))
        store = self._stores[source]
        return store and store.at(sigma)

    def nu(self, nu: Tensor, like: Tensor) -> Tensor:
        """What the prompts make of the sampler's `nu` for the latent `like`; 0, the layout, where none of them lets the picture change."""
        for each in self.all_prompts():
            nu = each.nu(nu, like)
        masks = [mask for each in self.all_prompts() if (mask := each.mask(like, lambda share: self.before(share, self.sigma))) is not None]
        return nu * torch.stack(masks).amax(0) if masks else nu

    def prepare_sampling(self, executor, model, noise_shape: torch.Size, conds: dict, model_options: dict | None = None):
        """Has the host make room for the rows of the sources too (a wrapper of its `prepare_sampling`)."""
        return executor(model, torch.Size([noise_shape[0] + self.rows, *noise_shape[1:]]), conds, model_options=model_options)

    def calc_cond_batch(self, executor, model, conds: list, x: Tensor, timestep: Tensor, model_options: dict) -> list[Tensor]:
        """One prompt after the other where memory is too short for all with the rows of the sources (a wrapper of the host's)."""
        wanted = [index for index, cond in enumerate(conds) if cond is not None]
        shape = [len(wanted) * x.shape[0] + self.rows, *x.shape[1:]]
        if len(wanted) < 2 or fits(model, shape, x.device):
            return executor(model, conds, x, timestep, model_options)
        results = [torch.zeros_like(x)] * len(conds)
        for index in wanted:
            alone = [cond if place == index else None for place, cond in enumerate(conds)]
            results[index] = executor(model, alone, x, timestep, model_options)[index]
        return results
