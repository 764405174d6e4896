"""Attention with edits, layer by layer: replacements for the host's own (its `patches_replace`).

Each changes q, k and v of the rows whose prompt is edited and then calls what stood there before, or the host's kernel.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import comfy.ldm.modules.attention
import torch
from comfy.ldm.modules.diffusionmodules.openaimodel import Downsample, Upsample
from torch import Tensor

from ...magicmix_core.attention import edit_operands, scale_columns, word_maps
from ...magicmix_core.maps import MapStore
from .edits import Before
from .families import draws_videos
from .features import Features
from .placed_edits import PlacedEdit
from .recordings import Recording

CALL = "magicmix_call"
"""The entry of a UNet call's transformer_options that holds its Call."""
MOST_SELF_PLACES = 16 * 16
"""Self-attention is controlled up to this many places (arXiv 2208.01626, at 512 pixels), or a sixteenth of the latent's."""

Replacement = Callable[[Tensor, Tensor, Tensor, dict], Tensor]
Operands = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Watched:
    """A recorded prompt in a conditioning: its columns begin at `start` of `width`, its maps of the layers at `level` go to `store`."""

    recording: Recording
    start: int
    width: int
    level: int
    store: MapStore


@dataclass(frozen=True)
class Call:
    """One UNet call: `front` rows of sources, then chunks of `batch` rows each, one chunk for a prompt.

    By chunk: `edits`; `rows`, those of the source that is active; `operators`, what it does to the columns that it governs, if
    any; `blends`, which gather maps of the layers at `blend_level` for a local blend; and `watched` prompts. `features` that all chunks take come
    with the rows of their source. `before` tells how far the run has come. The host may have repeated contexts to one width,
    which changes no attention.
    """

    front: int
    batch: int
    before: Before
    edits: dict[int, PlacedEdit]
    rows: dict[int, slice]
    operators: dict[int, tuple[Tensor | None, Tensor | None] | None]
    blends: dict[int, MapStore]
    blend_level: int
    watched: dict[int, list[Watched]]
    features: tuple[Features, slice] | None = None

    def chunks(self, x: Tensor) -> list[Tensor]:
        """The host's rows of `x`, prompt by prompt."""
        return list(x[self.front :].split(self.batch))

    def source(self, rows: slice, *tensors: Tensor) -> tuple[Tensor, ...]:
        """A source's rows of `tensors`, as many as a chunk has: one row serves them all."""
        return tuple(tensor[rows].repeat(self.batch // (rows.stop - rows.start), 1, 1) for tensor in tensors)

    def operands(self, chunk: int, q: Tensor, k: Tensor, v: Tensor) -> list[Operands]:
        """What a chunk attends with, for values `v` `[batch, W, C]` of its context; attentions that add up. `q` and `k` are of all rows."""
        own = slice(self.front + chunk * self.batch, self.front + (chunk + 1) * self.batch)
        operators = self.operators.get(chunk)
        if operators is not None:
            edit = self.edits[chunk].edit
            source = self.source(self.rows[chunk], q, k[:, : len(edit.source.mapping)])
            return edit_operands(q[own], k[own, : edit.width], v[:, : edit.width], source, *operators)
        return [(q[own], k[own, : v.shape[1]], v)]

    def tiled(self, tiles: int) -> "Call":
        """The same call where every row has been cut into as many tiles, each a row of its own."""

        def cut(rows: slice) -> slice:
            return slice(rows.start * tiles, rows.stop * tiles)

        features = self.features and (self.features[0], cut(self.features[1]))
        rows = {chunk: cut(there) for chunk, there in self.rows.items()}
        return replace(self, front=self.front * tiles, batch=self.batch * tiles, rows=rows, features=features)


def cross_attention(previous: Replacement | None, level: int, q: Tensor, k: Tensor, v: Tensor, options: dict) -> Tensor:
    """The prompts' edits in one layer; `previous` is the replacement that stood there, `level` how often the layer's picture is halved."""
    call: Call = options[CALL]
    _keep_maps(call, level, q, k, options)
    if not call.front and not call.edits:
        return (previous or kernel)(q, k, v, options)
    queries, keys, values = (call.chunks(tensor) for tensor in (q, k, v))
    added = []
    for chunk, edit in call.edits.items():
        scales = edit.scales(v.shape[1])
        if scales is not None:
            values[chunk] = scale_columns(values[chunk], scales)
        if call.operators.get(chunk) is not None:
            (queries[chunk], *narrow), *rest = call.operands(chunk, q, k, values[chunk])
            keys[chunk], values[chunk] = (each.repeat(1, v.shape[1] // each.shape[1], 1) for each in narrow)
            added += [(chunk, operands) for operands in rest]
    if not call.front:  # q and k are as they were
        return (previous or kernel)(q, k, torch.cat(values), options)
    out = _attend(previous, call.front, (q, k, v), (queries, keys, values), options)
    for chunk, operands in added:
        start = call.front + chunk * call.batch
        out[start : start + call.batch] += kernel(*operands, options)
    return out


def self_attention(previous: Replacement | None, q: Tensor, k: Tensor, v: Tensor, options: dict) -> Tensor:
    """A source's self-attention map: in layers of few places in place of an edited prompt's, in the blocks of features of all."""
    call: Call = options[CALL]
    tiles = len(q) // len(k)
    height, width = options["original_shape"][-2:]
    small = q.shape[1] * tiles <= max(MOST_SELF_PLACES, height * width // 16)
    edited = [chunk for chunk in call.rows if small and call.before(call.edits[chunk].edit.source.self_until)]
    followed = call.features is not None and call.features[0].attends(options["block"], call.before)
    if not call.front or (previous is None and not edited and not followed):
        return (previous or kernel)(q, k, v, options)
    if tiles > 1:  # HyperTile cuts the queries into tiles, and leaves it to the kernel to share out keys and values
        call = call.tiled(tiles)
        k, v = (tensor.reshape(len(q), -1, tensor.shape[-1]) for tensor in (k, v))
    queries, keys, values = (call.chunks(tensor) for tensor in (q, k, v))
    for chunk in edited:
        queries[chunk], keys[chunk] = call.source(call.rows[chunk], q, k)
    if followed:
        queries, keys = ([source] * len(queries) for source in call.source(call.features[1], q, k))
    return _attend(previous, call.front, (q, k, v), (queries, keys, values), options)


def kernel(q: Tensor, k: Tensor, v: Tensor, options: dict) -> Tensor:
    """The host's own attention."""
    return comfy.ldm.modules.attention.optimized_attention(
        q, k, v, options["n_heads"], attn_precision=options["attn_precision"], transformer_options=options
    )


def attention_levels(unet) -> dict[tuple[str, int, int], int]:
    """By (part, block, number in the block), as the host names transformer blocks to patches: how often their picture is halved.

    Empty for other networks, and for those of videos: their frames, which attend to each other, are the rows of a batch.
    """
    levels, level = {}, 0
    if draws_videos(unet):
        return levels
    middle = [unet.middle_block] if getattr(unet, "middle_block", None) is not None else []
    for part, blocks in (
        ("input", getattr(unet, "input_blocks", ())),
        ("middle", middle),
        ("output", getattr(unet, "output_blocks", ())),
    ):
        for number, block in enumerate(blocks):
            for layer in block:
                for index in range(len(getattr(layer, "transformer_blocks", ()))):
                    levels[part, number, index] = level
            level += _contains(block, Downsample) - _contains(block, Upsample)
    return levels


def attends_to_itself(unet, place: tuple[str, int, int]) -> bool:
    """Whether a place of `attention_levels` does: some attend to the prompt twice instead, as the x4 upscaler's at high resolutions."""
    part, number, index = place
    block = {"input": unet.input_blocks, "middle": [unet.middle_block], "output": unet.output_blocks}[part][number]
    layer = next(layer for layer in block if hasattr(layer, "transformer_blocks"))
    return not layer.transformer_blocks[index].disable_self_attn


def _contains(block: torch.nn.Module, kind: type) -> bool:
    return any(isinstance(module, kind) for module in block.modules())


def _keep_maps(call: Call, level: int, q: Tensor, k: Tensor, options: dict) -> None:
    """Maps `[batch, words, h, w]` of this layer for local blends, each prompt's own; and for recordings, as edited."""
    heads, size = options["n_heads"], options["activations_shape"][-2:]

    def maps_of(operands: Callable[[Tensor], list[Operands]], columns: list, width: int) -> Tensor:
        def attend_to(values: Tensor) -> Tensor:
            return sum(kernel(*triple, options) for triple in operands(values.expand(call.batch, -1, -1)))

        return word_maps(attend_to, columns, width, heads, q).unflatten(-1, size)

    if level == call.blend_level:
        for chunk, store in call.blends.items():
            own = call.chunks(q)[chunk], call.chunks(k)[chunk]
            sides = zip((call.source(call.rows[chunk], q, k), own), call.edits[chunk].edit.source.blend, strict=True)
            store.add(torch.cat([maps_of(lambda v, qk=qk: [(*qk, v)], [columns], k.shape[1]) for qk, columns in sides if columns], 1))
    for chunk, watched in call.watched.items():
        for each in watched:
            if level == each.level:
                columns = [[each.start + column for column in group] for group in each.recording.columns]
                each.store.add(maps_of(lambda v, chunk=chunk: call.operands(chunk, q, k, v), columns, each.width))


def _attend(previous: Replacement | None, front: int, whole: Operands, chunks: tuple[list, list, list], options: dict) -> Tensor:
    if previous is None:
        return kernel(*(torch.cat([tensor[:front], *parts]) for tensor, parts in zip(whole, chunks, strict=True)), options)
    out = previous(*map(torch.cat, chunks), options)
    return torch.cat([kernel(*(tensor[:front] for tensor in whole), options), out]) if front else out
