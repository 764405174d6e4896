"""Extra rows in a UNet call: the layout's own latents, seen with a prompt of their own, so that others can attend as they do.

They stand in front of the host's rows and are taken away from the result.
"""

import math
from collections.abc import Callable

import comfy.sampler_helpers
import comfy.utils
import torch
from torch import Tensor

from ...magicmix_core.encodings import alike
from ...magicmix_core.kept import Kept
from ...magicmix_core.layout import RecordedLayout, same_path
from ...magicmix_core.placed import Placed
from ...magicmix_core.steering import Reads, Source
from .carrying import KEY
from .foreign_patches import hide_rows

LEFT_OUT = ("control", "area", "mask", "hooks", "start_percent", "end_percent", KEY)
"""What a conditioning says about where and when it counts, and how it is steered: a source is seen whole and as it is."""


def as_a_source(conditioning: list) -> list:
    """An entry `[tensor, dict]` of a CONDITIONING as a source is seen with it: everywhere, always, and not steered."""
    context, more = conditioning
    return [context, {name: value for name, value in more.items() if name not in LEFT_OUT}]


class SourceRows:
    """The rows of one layout path: `count` of them, one for each picture of the layout."""

    def __init__(self, guider, layout: RecordedLayout, conditioning: list, key: str):
        """Has the host prepare `conditioning` `[tensor, dict]` under `key` along with the run's own."""
        guider.conds[key] = comfy.sampler_helpers.convert_cond([as_a_source(conditioning)])
        self.guider, self.layout, self.key, self.context = guider, layout, key, conditioning[0]
        self.count = layout.samples.shape[0]
        self._placed = Placed()

    def serves(self, source: Source) -> bool:
        """Whether a source is this layout, seen with this prompt or with any."""
        return same_path(self.layout, source.layout) and (source.conditioning is None or alike(self.context, source.conditioning[0]))

    def kept(self, reads: Reads) -> Kept | None:
        """What is kept of the layout, if that is all that is read of it, seen with this prompt."""
        kept, (context, _) = self.layout.kept, self.layout.conditioning[0]
        return kept if kept is not None and kept.reads.covers(reads) and alike(self.context, context) else None

    def latent(self, x: Tensor, sigma: float) -> Tensor:
        """`[count, C, H, W]`: the layout at a noise level, as the network takes it, where its input is `x` `[B, C', H, W]`."""
        path, *_ = self._prepared(x)
        level = torch.tensor(sigma)
        latent = path.at(level, 0)
        return self.guider.inner_model.model_sampling.calculate_input(level.reshape(1).to(latent), latent)

    def inputs(self, x: Tensor, sigma: float) -> tuple[Tensor, Tensor, Tensor | None]:
        """(x, context, y) for these rows, in place and dtype of the network's input."""
        _, concat, context, y = self._prepared(x)
        return torch.cat([self.latent(x, sigma), *concat], 1).to(x), context, y

    def _prepared(self, x: Tensor) -> tuple:
        """What stays the same over a run: the layout's path, channels beside the latent's, context and y."""
        return self._placed.get(x.shape[2:], x, lambda: self._prepare(x))

    def _prepare(self, x: Tensor) -> tuple:
        model = self.guider.inner_model
        prepared = self.guider.conds[self.key][0]["model_conds"].items()
        conds = {name: cond.process_cond(batch_size=self.count, area=None).cond for name, cond in prepared}
        like = torch.empty(self.count, model.latent_format.latent_channels, *x.shape[2:], device=x.device)
        y = conds.get("y")
        if y is not None:
            y = y.to(x) if y.is_floating_point() else y.to(x.device)  # a class label is a whole number
        concat = [conds["c_concat"].to(like)] if conds.get("c_concat") is not None else []
        return self.layout.path(model, model.model_sampling.noise_scaling, like), concat, conds["c_crossattn"].to(x), y


def call_with_rows(
    front: list[SourceRows],
    sigma: float,
    execute: Callable,
    x: Tensor,
    timesteps: Tensor,
    context: Tensor,
    y: Tensor | None,
    control,
    options: dict,
    **more,
) -> Tensor:
    """The UNet's result for the host's rows, called with those of sources in front."""
    inputs = [source.inputs(x, sigma) for source in front]
    count = sum(source.count for source in front)
    options = {**options, "patches": hide_rows(options.get("patches", {}), count, count + x.shape[0])}
    result = execute(
        torch.cat([*(rows for rows, _, _ in inputs), x]),
        torch.cat([timesteps[:1].expand(count), timesteps]),
        _stack([*(rows for _, rows, _ in inputs), context]),
        None if y is None else torch.cat([*(rows for _, _, rows in inputs), y]),
        control and {name: [_pad(residual, count, x.shape[0]) for residual in residuals] for name, residuals in control.items()},
        options,
        **more,
    )
    return result[count:]


def _stack(contexts: list[Tensor]) -> Tensor:
    """Contexts of unequal widths repeated to one: repeating changes no attention."""
    common = math.lcm(*(context.shape[1] for context in contexts))
    return torch.cat([context if context.shape[1] == common else context.repeat(1, common // context.shape[1], 1) for context in contexts])


def _pad(residual: Tensor | None, count: int, rows: int) -> Tensor | None:
    """A ControlNet's residual with nothing for the rows in front: their path was found without it."""
    if residual is None:
        return None
    residual = comfy.utils.repeat_to_batch_size(residual, rows)
    return torch.cat([residual.new_zeros(count, *residual.shape[1:]), residual])
