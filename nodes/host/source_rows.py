"""Extra rows in a call of a network: the layout's own latents, seen with a prompt of their own, so that others can attend as they do."""

from collections.abc import Iterator
from typing import Any

import comfy.sampler_helpers
import comfy.utils
import torch
from torch import Tensor

from ...magicmix_core.encodings import alike, text_of
from ...magicmix_core.kept import Kept
from ...magicmix_core.layout import Layout, LayoutPath
from ...magicmix_core.placed import Placed
from ...magicmix_core.steered_call import Call
from ...magicmix_core.steering import Reads, Source
from .carrying import KEY

LEFT_OUT = ("control", "area", "mask", "hooks", "start_percent", "end_percent", KEY)
"""What a conditioning says about where and when it counts, and how it is steered: a source is seen whole and as it is."""


def as_a_source(conditioning: list) -> list:
    """An entry `[tensor, dict]` of a CONDITIONING as a source is seen with it: everywhere, always, and not steered."""
    context, more = conditioning
    return [context, {name: value for name, value in more.items() if name not in LEFT_OUT}]


class SourceRows:
    """The rows of one layout path: `count` of them, one for each picture of the layout."""

    def __init__(self, guider, layout: Layout, conditioning: list, key: str):
        """Has the host prepare `conditioning` `[tensor, dict]` under `key` along with the run's own."""
        guider.conds[key] = comfy.sampler_helpers.convert_cond([as_a_source(conditioning)])
        self.guider, self.layout, self.key, self.context = guider, layout, key, text_of(*conditioning)
        self.count = layout.samples.shape[0]
        self._placed = Placed()

    def serves(self, source: Source) -> bool:
        """Whether a source is this layout, seen with this prompt or with any."""
        return self.layout.same(source.layout) and (source.conditioning is None or alike(self.context, text_of(*source.conditioning)))

    def kept(self, reads: Reads) -> Kept | None:
        """What is kept of the layout, if that is all that is read of it, seen with this prompt."""
        kept, context = self.layout.kept, text_of(*self.layout.conditioning[0])
        return kept if kept is not None and kept.reads.covers(reads) and alike(self.context, context) else None

    def latent(self, like: Tensor, sigma: float) -> Tensor:
        """`[count, C, H, W]`: the layout at a noise level, in the size and place of a latent `like` `[B, .., H, W]`."""
        path = self._placed.get(("path", like.shape[2:]), like, lambda: self._path(like))
        return path.at(torch.tensor(sigma), 0)

    def conds(self, like: Tensor) -> dict[str, Any]:
        """What the host has made of the prompt for its network, by name, for all rows."""
        return self._placed.get("conds", like, self._conds)

    def _path(self, like: Tensor) -> LayoutPath:
        model = self.guider.inner_model
        rows = torch.empty(self.count, model.latent_format.latent_channels, *like.shape[2:], device=like.device)
        return self.layout.path(model, model.model_sampling.noise_scaling, rows)

    def _conds(self) -> dict[str, Any]:
        prepared = self.guider.conds[self.key][0]["model_conds"].items()
        return {name: cond.process_cond(batch_size=self.count, area=None).cond for name, cond in prepared}


def pad_control(control: dict | None, count: int, rows: int) -> dict | None:
    """ControlNets' residuals for `rows` rows with nothing for `count` rows in front: their path was found without it."""

    def pad(residual: Tensor | None) -> Tensor | None:
        if residual is None:
            return None
        residual = comfy.utils.repeat_to_batch_size(residual, rows)
        return torch.cat([residual.new_zeros(count, *residual.shape[1:]), residual])

    return control and {name: [pad(residual) for residual in residuals] for name, residuals in control.items()}


def rows_of(value: Any, rows: slice, whole: int) -> Any:
    """Of whatever a call brings along, that of some of its `whole` rows: a tensor of as many, or such in a list or a dictionary."""
    if isinstance(value, Tensor):
        return value[rows] if value.ndim and value.shape[0] == whole else value
    if isinstance(value, list):
        return [rows_of(each, rows, whole) for each in value]
    return {name: rows_of(each, rows, whole) for name, each in value.items()} if isinstance(value, dict) else value


def with_concepts(call: Call, options: dict, context: Tensor) -> Iterator[tuple[Call, slice, dict, Tensor]]:
    """For each prompt beside which concepts look at the picture: a call of its own, the host's rows that it takes, its
    transformer_options, and their context with the concepts behind it.
    """
    for chunk, prompts in call.acting["concepts"].items():
        for prompt in prompts:
            vectors = prompt.vectors.to(context)
            rows = slice(chunk * call.batch, (chunk + 1) * call.batch)
            own = {name: [options[name][chunk]] for name in ("uuids", "cond_or_uncond")}
            beside = Call(call.sigma, 0, call.batch, call.before, {0: [prompt]}, {}, vectors.shape[1])
            yield beside, rows, {**options, **own}, torch.cat([context[rows], vectors.expand(call.batch, -1, -1)], 1)
