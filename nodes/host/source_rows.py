"""Extra rows in a UNet call: the layout's own latents, seen with its own prompt, so that others can attend as it does.

They stand in front of the host's rows and are taken away from the result.
"""

import math
from collections.abc import Callable

import comfy.sampler_helpers
import comfy.utils
import torch
from torch import Tensor

from .foreign_patches import hide_rows
from .layouts import RecordedLatents

PLACED = ("control", "area", "mask", "hooks", "start_percent", "end_percent")
"""What a conditioning says about where and when it counts: a source is seen whole."""


class SourceRows:
    """The rows of one layout path: `count` of them, one for each picture of the layout."""

    def __init__(self, guider, layout: RecordedLatents, conditioning: list, key: str):
        """Has the host prepare `conditioning` `[tensor, dict]` under `key` along with the run's own."""
        context, more = conditioning
        kept = {name: value for name, value in more.items() if name not in PLACED}
        guider.conds[key] = comfy.sampler_helpers.convert_cond([[context, kept]])
        self.guider, self.layout, self.key, self.context = guider, layout, key, context
        self.count = layout.samples.shape[0]

    def inputs(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """(x, context, y) for these rows, in place, dtype and size of the UNet's input `x` `[B, C, H, W]`."""
        model = self.guider.inner_model
        conds = {
            name: cond.process_cond(batch_size=self.count, area=None).cond
            for name, cond in self.guider.conds[self.key][0]["model_conds"].items()
        }
        like = torch.empty(self.count, *self._latent_size(x), device=x.device)

        def noising(sigma: Tensor, eps: Tensor, x0: Tensor) -> Tensor:
            return model.model_sampling.noise_scaling(sigma, eps, x0)

        latent = self.layout.path(model, noising, like).at(sigma, 0)
        rows = model.model_sampling.calculate_input(sigma.reshape(1).to(latent), latent)
        concat = conds.get("c_concat")
        if concat is not None:
            rows = torch.cat([rows, concat.to(rows)], 1)
        y = conds.get("y")
        if y is not None:
            y = y.to(x) if y.is_floating_point() else y.to(x.device)  # a class label is a whole number
        return rows.to(x), conds["c_crossattn"].to(x), y

    def _latent_size(self, x: Tensor) -> tuple[int, ...]:
        return (self.guider.inner_model.latent_format.latent_channels, *x.shape[2:])


def call_with_rows(
    sources: list[SourceRows],
    execute: Callable,
    x: Tensor,
    timesteps: Tensor,
    context: Tensor,
    y: Tensor | None,
    control,
    options: dict,
    **more,
) -> Tensor:
    """The UNet's result for the host's rows, called with those of `sources` in front."""
    front = [source.inputs(x, options["sigmas"][0]) for source in sources]
    count = sum(source.count for source in sources)
    options = {**options, "patches": hide_rows(options.get("patches", {}), count, count + x.shape[0])}
    result = execute(
        torch.cat([*(rows for rows, _, _ in front), x]),
        torch.cat([timesteps[:1].expand(count), timesteps]),
        _stack([*(rows for _, rows, _ in front), context]),
        None if y is None else torch.cat([*(rows for _, _, rows in front), y]),
        control and {name: [_pad(residual, count, x.shape[0]) for residual in residuals] for name, residuals in control.items()},
        options,
        **more,
    )
    return result[count:]


def _stack(contexts: list[Tensor]) -> Tensor:
    """Contexts of unequal widths repeated to one: repeating changes no attention."""
    common = math.lcm(*(context.shape[1] for context in contexts))
    return torch.cat([context.repeat(1, common // context.shape[1], 1) for context in contexts])


def _pad(residual: Tensor | None, count: int, rows: int) -> Tensor | None:
    """A ControlNet's residual with nothing for the rows in front: their path was found without it."""
    if residual is None:
        return None
    residual = comfy.utils.repeat_to_batch_size(residual, rows)
    return torch.cat([residual.new_zeros(count, *residual.shape[1:]), residual])
