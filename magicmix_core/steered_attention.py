"""How all ways of steering meet in one attention layer of a call: cross-attention, self-attention, and both in one."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from .steered_call import Call, Rows
from .steering import Attend, Attention, Layer, Operands, Source, narrowed

ALL = slice(None)


class AttendJointly(Protocol):
    """A kernel for tokens of one sequence: gives `[B, N, C]`. `rows` and `queries` say which are attended for, if not all are."""

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, rows: slice = ALL, queries: slice = ALL) -> Tensor: ...


def cross_attention(call: Call, layer: Layer, q: Tensor, k: Tensor, v: Tensor, attend: Attend, attend_all: Attend) -> Tensor:
    """One layer of cross-attention over all rows, as the prompts are steered. Writes into `q`, `k` and `v`.

    `attend` is the kernel, `attend_all` what all rows in their order go through.
    """
    if call.concepts:
        own = k.shape[-2] - call.concepts
        for each in call.acting["concepts"].get(0, ()):
            each.sees_keys(layer, q, k[..., own:, :], attend)
        return attend_all(q, k[..., :own, :], v[..., :own, :])
    views = _views(call, "cross", {*call.acting["watch"], *call.acting["cross"]}, layer, (q, k, v), attend)

    def edited(chunk: int, values: Tensor) -> list[Operands]:
        own_q, own_k, _ = views[chunk].operands
        found = [(own_q, narrowed(own_k, values.shape[-2]), values)]
        for each in call.acting["cross"].get(chunk, ()):
            found = [new for old in found for new in each.cross(old, views[chunk])]
        return found

    shares = _shares(call, views)

    def drawn(chunk: int, values: Tensor) -> Tensor:
        return _summed(edited(chunk, values), call.batch, attend, shares.get(chunk))

    for chunk, prompts in call.acting["watch"].items():
        for each in prompts:
            each.watch(views[chunk], partial(drawn, chunk))
    added, apart = [], []
    for chunk, prompts in call.acting["cross"].items():
        own = views[chunk].operands
        values = own[2]
        for each in prompts:
            values = each.values(values)
        first, *rest = edited(chunk, values)
        added += [(views[chunk].rows, attend(*operands)) for operands in rest]  # before their rows are written over
        if own[1].shape[-2] % first[1].shape[-2]:  # as many columns as a source of another length has
            apart.append((views[chunk].rows, attend(*_rows_of(first, call.batch))))
        else:
            _replace(own, first)
    out = attend_all(q, k, v)
    for rows, whole in apart:
        out[rows] = whole
    for chunk, share in shares.items():
        out[views[chunk].rows] *= share
    for rows, more in added:
        out[rows] += more
    return out


def self_attention(
    call: Call, layer: Layer, q: Tensor, k: Tensor, v: Tensor, attend_all: Attend, attend_shared: Attend | None = None
) -> Tensor:
    """The same for a layer in which the picture's places attend to each other.

    `attend_shared`, if any, makes one map for all rows of v where q and k have fewer: it is taken where all rows share a source's.
    """
    views = _views(call, "itself", call.acting["itself"], layer, (q, k, v), attend_all)
    edited = {}
    for chunk, prompts in call.acting["itself"].items():
        changed = [operands for each in prompts if (operands := each.itself(views[chunk])) is not None]
        if changed:
            edited[chunk] = changed[-1]
    one_map = _shared_by_all(call, len(q), edited) if attend_shared else None
    if one_map is not None:
        return attend_shared(*one_map, v)
    for chunk, operands in edited.items():
        _replace(views[chunk].operands, operands)
    return attend_all(q, k, v)


def joint_attention(
    call: Call, layer: Layer, text: slice, picture: slice, q: Tensor, k: Tensor, v: Tensor, attend: AttendJointly
) -> Tensor:
    """The same for a layer in which text and picture attend to each other and to themselves, as tokens of one sequence.

    Only what the picture's queries see is steered: M is one map over all columns, its part of the prompt's tokens is what cross-attention
    is elsewhere, its part of the picture's places what self-attention is. Queries of the text, and of anything else, see what they
    would see anyway.
    """
    if call.concepts:
        return _with_concepts(call, layer, text, picture, q, k, v, attend)
    acting = {kind: call.acting[kind] for kind in ("watch", "cross", "itself")}
    if not any(acting.values()):
        return attend(q, k, v)
    for each in (each for by_chunk in acting.values() for prompts in by_chunk.values() for each in prompts):
        if each.width not in (0, text.stop - text.start):
            raise ValueError(f"the network's text must be {each.width} tokens, as the prompt is, got {text.stop - text.start}")
    chunks = {chunk: None for by_chunk in acting.values() for chunk in by_chunk}
    words = _views(call, "cross", chunks, layer, (q, k, v), attend, picture, text, joint=True)
    places = _views(call, "itself", chunks, layer, (q, k, v), attend, picture, picture, joint=True)
    parts = _partition(q.shape[-2], text, picture)

    def whole(chunk: int, tensor: Tensor, of_text: Tensor, of_picture: Tensor | None) -> Tensor:
        """All columns of a prompt's keys or values, with these in the places of its own; without a picture, all else is 0."""
        own = tensor[call.rows(chunk)]
        given = {text.start: of_text, picture.start: own[..., picture, :] * 0 if of_picture is None else of_picture}
        fill = 1 if of_picture is not None else 0
        pieces = [given[part.start] if part.start in given else own[..., part, :] * fill for part in parts]
        return torch.cat([piece.expand(len(own), *piece.shape[1:]) for piece in pieces], -2)

    def edited(chunk: int, values: Tensor) -> tuple[list[Operands], Operands | None]:
        """Operands over the prompt's tokens, and those over the picture's places if these are others than its own."""
        own_q, own_k, _ = words[chunk].operands
        found = [(own_q, own_k, values)]
        for each in acting["cross"].get(chunk, ()):
            found = [new for old in found for new in each.cross(old, words[chunk])]
        changed = [operands for each in acting["itself"].get(chunk, ()) if (operands := each.itself(places[chunk])) is not None]
        return found, changed[-1] if changed else None

    def drawn(chunk: int, values: Tensor) -> Tensor:
        (first, *rest), itself = edited(chunk, values)
        _, own_k, _ = places[chunk].operands
        seen = [(itself[0], first[1], first[2], itself[1])] if itself else [(*first, own_k)]
        seen += [(*operands, own_k) for operands in rest]
        operands = [(each_q, whole(chunk, k, each_k, k_places), whole(chunk, v, each_v, None)) for each_q, each_k, each_v, k_places in seen]
        return _summed(operands, call.batch, attend)

    for chunk, prompts in acting["watch"].items():
        for each in prompts:
            each.watch(words[chunk], partial(drawn, chunk))
    if not acting["cross"] and not acting["itself"]:
        return attend(q, k, v)
    others = {part.start: attend(q[..., part, :], k, v, queries=part) for part in parts if part != picture}
    added = []
    for chunk in {**acting["cross"], **acting["itself"]}:
        rows, values = call.rows(chunk), words[chunk].operands[2]
        for each in acting["cross"].get(chunk, ()):
            values = each.values(values, joint=True)
        (first, *rest), itself = edited(chunk, values)
        for each_q, each_k, each_v in rest:
            mapped = whole(chunk, k, each_k, places[chunk].operands[1]), whole(chunk, v, each_v, None)
            added.append((rows, attend(each_q, *mapped, rows=rows, queries=picture)))
        _replace(words[chunk].operands, first)
        if itself is not None:
            _replace(places[chunk].operands, itself)
    drawn = attend(q[..., picture, :], k, v, queries=picture)
    for rows, more in added:
        drawn[rows] += more
    return torch.cat([drawn if part == picture else others[part.start] for part in parts], 1)


def _with_concepts(call: Call, layer: Layer, text: slice, picture: slice, q: Tensor, k: Tensor, v: Tensor, attend: AttendJointly) -> Tensor:
    """Concepts, the last tokens of the text, attend to themselves and the picture; all else attends as if there were none
    (ConceptAttention, arXiv 2502.04320, section 3).
    """
    concepts = slice(text.stop - call.concepts, text.stop)
    parts = _partition(q.shape[-2], concepts, picture)
    columns = [part for part in parts if part != concepts]
    seen = [torch.cat([tensor[..., part, :] for part in columns], -2) for tensor in (k, v)]
    theirs = [torch.cat([tensor[..., part, :] for part in (concepts, picture)], -2) for tensor in (k, v)]
    out = {part.start: attend(q[..., part, :], *(theirs if part == concepts else seen), queries=part) for part in parts}
    for each in call.acting["concepts"].get(0, ()):
        each.sees_outputs(layer, out[picture.start], out[concepts.start])
    return torch.cat([out[part.start] for part in parts], 1)


def _partition(length: int, text: slice, picture: slice) -> list[slice]:
    """All tokens of a sequence as slices in their order, of which two are `text` and `picture`."""
    parts, end = [], 0
    for part in sorted((text, picture), key=lambda part: part.start):
        parts += [slice(end, part.start), part]
        end = part.stop
    return [part for part in (*parts, slice(end, length)) if part.start < part.stop]


def _views(
    call: Call,
    kind: str,
    chunks: Iterable[int],
    layer: Layer,
    whole: Operands,
    attend: Attend,
    queries: slice = ALL,
    columns: slice = ALL,
    joint: bool = False,
) -> dict[int, Attention]:
    """By chunk, the layer as each prompt's rows see it."""
    q, k, _ = whole
    found: dict[Source, tuple[Tensor, Tensor]] = {}

    def taken(source: Source) -> tuple[Tensor, Tensor]:
        if source not in found:
            found[source] = call.sources[source].operands(kind, layer, q, k, queries, columns)
        return found[source]

    return {
        chunk: Attention(layer, call.sigma, call.before, call.rows(chunk), whole, taken, attend, queries, columns, joint)
        for chunk in chunks
    }


def _shares(call: Call, views: Mapping[int, Attention]) -> dict[int, Tensor]:
    """By chunk, by how much the first of its operands' attentions counts, where that is not wholly."""
    shares = {chunk: [each.share(views[chunk]) for each in prompts] for chunk, prompts in call.acting["cross"].items()}
    return {chunk: share for chunk, found in shares.items() for share in found if share is not None}


def _summed(edited: Sequence[Operands], batch: int, attend: Attend, share: Tensor | None = None) -> Tensor:
    """What attentions that add up give a prompt's rows, the first of them counting by its `share`."""
    first, *rest = (attend(*_rows_of(operands, batch)) for operands in edited)
    return sum(rest, first if share is None else first * share)


def _rows_of(operands: Operands, batch: int) -> Operands:
    """One row of them serves the whole batch."""
    return tuple(tensor.expand(batch, *tensor.shape[1:]) for tensor in operands)


def _shared_by_all(call: Call, rows: int, edited: Mapping[int, Operands]) -> tuple[Tensor, Tensor] | None:
    """The one source's q and k that all rows attend with, if so: those of every prompt are `edited` to it, and all in front are its own."""
    if not edited or call.front + len(edited) * call.batch < rows or len({(id(q), id(k)) for q, k, _ in edited.values()}) > 1:
        return None
    if call.front and any(taken != Rows(slice(0, call.front)) for taken in call.sources.values()):
        return None
    q, k, _ = next(iter(edited.values()))
    return q, k


def _replace(own: Operands, operands: Operands) -> None:
    """Writes operands over those of a prompt's rows, repeated to as many columns as these have."""
    for tensor, new in zip(own, operands, strict=True):
        if new is not tensor:
            times = tensor.shape[-2] // new.shape[-2]
            tensor.copy_(new if times == 1 else new.repeat(*[1] * (new.ndim - 2), times, 1))
