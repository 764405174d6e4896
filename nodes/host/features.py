"""Plug-and-Play (arXiv 2211.12572): a layout's self-attention and residual features, in place of a run's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from ...magicmix_core.blocks import feature_block, parse_blocks
from ...magicmix_core.wording import quoted
from .edits import Before
from .families import draws_videos
from .layouts import Layout, RecordedLatents, check_has_prompt


@dataclass(frozen=True)
class Features:
    """What a run takes from `layout`: in which decoder blocks, and for which share of the timesteps."""

    layout: RecordedLatents
    attention_blocks: frozenset[int]
    attention_until: float
    feature_blocks: frozenset[int]
    feature_until: float

    @property
    def until(self) -> float:
        """For which share of the run the layout is needed."""
        return max(self.attention_until, self.feature_until)

    def attends(self, block: tuple[str, int], before: Before) -> bool:
        """Whether self-attention in `block`, as the host names it, is the layout's."""
        part, number = block
        return part == "output" and number in self.attention_blocks and before(self.attention_until)


def features_of(
    model, layout: Layout, attention_steps: float, feature_steps: float, attention_blocks: str, feature_blocks: str
) -> Features:
    """The features of `layout` in blocks of `model`'s decoder; no blocks named: the paper's.

    Raises ValueError for a model without a decoder with attention, blocks it does not have, and a layout without a prompt.
    """
    check_has_prompt(layout)
    if len(layout.conditioning) != 1:
        raise ValueError(f"layout must have been made with one prompt, got {len(layout.conditioning)} combined ones")
    decoder = getattr(model.model.diffusion_model, "output_blocks", ())
    attending = [number for number, block in enumerate(decoder) if any(hasattr(layer, "transformer_blocks") for layer in block)]
    if not attending or draws_videos(model.model.diffusion_model):
        raise ValueError("model must be a UNet with attention in its decoder that draws pictures, as Stable Diffusion 1.x, 2.x and XL are")
    levels = len(model.model.diffusion_model.channel_mult)
    middle = feature_block(levels, len(decoder) // levels)
    chosen = parse_blocks("attention_blocks", attention_blocks.strip() or f"{middle}-{len(decoder) - 1}", len(decoder))
    if attention_steps and not chosen & set(attending):
        raise ValueError(
            f"attention_blocks: the model's decoder attends in blocks {', '.join(map(str, attending))}; got {quoted(attention_blocks)}"
        )
    features = parse_blocks("feature_blocks", feature_blocks.strip() or str(middle), len(decoder))
    return Features(layout, frozenset(chosen), attention_steps, frozenset(features), feature_steps)


@contextmanager
def replaced_features(unet, features: Features, source: slice, front: int, before: Before) -> Iterator[None]:
    """Inside, the residual branch of the feature blocks gives every row behind the first `front` what it gives those of `source`."""

    def replace(module, inputs, out: Tensor) -> Tensor:
        rows = out[source]
        return torch.cat([out[:front], rows.repeat((len(out) - front) // len(rows), 1, 1, 1)])

    blocks = features.feature_blocks if before(features.feature_until) else ()
    handles = [unet.output_blocks[block][0].out_layers.register_forward_hook(replace) for block in blocks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
