"""Attention with edits, layer by layer: replacements for the host's own (its `patches_replace`).

Each changes q, k and v of the rows whose prompt is edited and then calls what stood there before, or the host's kernel.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import comfy.ldm.modules.attention
import torch
from torch import Tensor

from ...magicmix_core.attention import edit_operands, scale_columns, word_maps
from ...magicmix_core.maps import MapStore
from .edits import PromptEdit
from .features import Features
from .recordings import Recording

CALL = "magicmix_call"
"""The entry of a UNet call's transformer_options that holds its Call."""
MOST_BLEND_PLACES = 32 * 32
MOST_SELF_PLACES = 16 * 16
"""Self-attention is controlled up to this many places (arXiv 2208.01626, at 512 pixels), or a sixteenth of the latent's."""

Replacement = Callable[[Tensor, Tensor, Tensor, dict], Tensor]
Operands = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Call:
    """One UNet call: `front` rows of sources, then chunks of `batch` rows each, one chunk for a prompt.

    By chunk: `edits`; `rows`, those of the source that is active; `blends`, which gather maps for a local blend; and
    `recordings`, with the column where the recorded prompt begins and the width of its context. `features` that all chunks
    take come with the rows of their source. `progress` is the fraction of the steps that are done. The host may have repeated
    contexts to one width, which changes no attention.
    """

    front: int
    batch: int
    progress: float
    edits: dict[int, PromptEdit]
    rows: dict[int, slice]
    blends: dict[int, MapStore]
    recordings: dict[int, list[tuple[Recording, int, int]]]
    features: tuple[Features, slice] | None = None

    def chunks(self, x: Tensor) -> list[Tensor]:
        """The host's rows of `x`, prompt by prompt."""
        return list(x[self.front :].split(self.batch))

    def source(self, rows: slice, *tensors: Tensor) -> tuple[Tensor, ...]:
        """A source's rows of `tensors`, as many as a chunk has."""
        return tuple(tensor[rows].expand(self.batch, -1, -1) for tensor in tensors)

    def operands(self, chunk: int, q: Tensor, k: Tensor, v: Tensor) -> list[Operands]:
        """What a chunk attends with, for values `v` `[batch, W, C]` of its context; attentions that add up. `q` and `k` are of all rows."""
        own = slice(self.front + chunk * self.batch, self.front + (chunk + 1) * self.batch)
        if chunk in self.rows:
            edit = self.edits[chunk]
            governed = self.progress < edit.source.cross_until
            if bool(governed.any()):
                width, source_width = edit.width, len(edit.source.mapping)
                source = self.source(self.rows[chunk], q, k[:, :source_width])
                return edit_operands(q[own], k[own, :width], v[:, :width], source, edit.source.mapping, governed)
        return [(q[own], k[own, : v.shape[1]], v)]


def cross_attention(before: Replacement | None, q: Tensor, k: Tensor, v: Tensor, options: dict) -> Tensor:
    """The prompts' edits in one layer; `before` is the replacement that stood there."""
    call: Call = options[CALL]
    _keep_maps(call, q, k, options)
    queries, keys, values = (call.chunks(tensor) for tensor in (q, k, v))
    added = []
    for chunk, edit in call.edits.items():
        values[chunk] = scale_columns(values[chunk], _scales(edit, v.shape[1]))
        if chunk in call.rows:
            (queries[chunk], *narrow), *rest = call.operands(chunk, q, k, values[chunk])
            keys[chunk], values[chunk] = (each.repeat(1, v.shape[1] // each.shape[1], 1) for each in narrow)
            added += [(chunk, operands) for operands in rest]
    if not call.front:  # q and k are as they were
        return (before or kernel)(q, k, torch.cat(values), options)
    out = _attend(before, call.front, (q, k, v), (queries, keys, values), options)
    for chunk, operands in added:
        start = call.front + chunk * call.batch
        out[start : start + call.batch] += kernel(*operands, options)
    return out


def self_attention(before: Replacement | None, q: Tensor, k: Tensor, v: Tensor, options: dict) -> Tensor:
    """A source's self-attention map: in layers of few places in place of an edited prompt's, in the blocks of features of all."""
    call: Call = options[CALL]
    if not call.front:
        return (before or kernel)(q, k, v, options)
    queries, keys, values = (call.chunks(tensor) for tensor in (q, k, v))
    height, width = options["original_shape"][-2:]
    if q.shape[1] <= max(MOST_SELF_PLACES, height * width // 16):
        for chunk in call.rows:
            if call.progress < call.edits[chunk].source.self_until:
                queries[chunk], keys[chunk] = call.source(call.rows[chunk], q, k)
    if call.features is not None:
        features, rows = call.features
        if features.attends(options["block"], call.progress):
            queries, keys = ([source] * len(queries) for source in call.source(rows, q, k))
    return _attend(before, call.front, (q, k, v), (queries, keys, values), options)


def kernel(q: Tensor, k: Tensor, v: Tensor, options: dict) -> Tensor:
    """The host's own attention."""
    return comfy.ldm.modules.attention.optimized_attention(
        q, k, v, options["n_heads"], attn_precision=options["attn_precision"], transformer_options=options
    )


def attention_places(unet) -> Iterator[tuple[str, int, int]]:
    """(part, block, number in the block) of every transformer block, as the host names them to patches; none in other networks."""
    if not hasattr(unet, "middle_block"):
        return
    parts = (("input", unet.input_blocks), ("middle", [unet.middle_block]), ("output", unet.output_blocks))
    for part, blocks in parts:
        for number, block in enumerate(blocks):
            for layer in block:
                for index in range(len(getattr(layer, "transformer_blocks", ()))):
                    yield part, number, index


def _keep_maps(call: Call, q: Tensor, k: Tensor, options: dict) -> None:
    """Maps of this layer for local blends, each prompt's own; and for recordings, as edited."""
    places, heads = q.shape[1], options["n_heads"]

    def maps_of(operands: Callable[[Tensor], list[Operands]], columns: list, width: int) -> Tensor:
        def attend_to(values: Tensor) -> Tensor:
            return sum(kernel(*triple, options) for triple in operands(values.expand(call.batch, -1, -1)))

        return word_maps(attend_to, columns, width, heads, q)

    for chunk, store in call.blends.items():
        if places <= MOST_BLEND_PLACES:
            own = call.chunks(q)[chunk], call.chunks(k)[chunk]
            sides = zip((call.source(call.rows[chunk], q, k), own), call.edits[chunk].source.blend, strict=True)
            store.add(torch.cat([maps_of(lambda v, qk=qk: [(*qk, v)], [columns], k.shape[1]) for qk, columns in sides if columns], 1))
    for chunk, recordings in call.recordings.items():
        for recording, start, width in recordings:
            if places <= 2 * recording.places:
                columns = [[start + column for column in group] for group in recording.columns]
                recording.store.add(maps_of(lambda v, chunk=chunk: call.operands(chunk, q, k, v), columns, width))


def _scales(edit: PromptEdit, width: int) -> Tensor:
    """`[width]`, for a context that the host has repeated, and to which others may have added tokens of their own."""
    scales = edit.scales.repeat(width // edit.width)
    return torch.nn.functional.pad(scales, (0, width - len(scales)), value=1.0)


def _attend(before: Replacement | None, front: int, whole: Operands, chunks: tuple[list, list, list], options: dict) -> Tensor:
    if before is None:
        return kernel(*(torch.cat([tensor[:front], *parts]) for tensor, parts in zip(whole, chunks, strict=True)), options)
    out = before(*map(torch.cat, chunks), options)
    return torch.cat([kernel(*(tensor[:front] for tensor in whole), options), out]) if front else out
