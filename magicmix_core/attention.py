"""Edits of cross-attention and self-attention, without ever making an attention map.

q `[B, N, C]`, k and v `[B, W, C]` are the operands of any attention kernel, with heads side by side in C; M is the map that it would
make. Whatever multiplies M from the right can be done to v instead: `(M A) v = M (A v)`.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .placed import Placed

MOST_MAP_NUMBERS = 1 << 24
"""A shared attention map is made in pieces of about this many numbers."""
LEAST_MAPPED = 1e-3
"""A row of a source's map is made larger by the inverse of this at most, where nearly all of it is on words that are gone."""


def scale_columns(v: Tensor, scales: Tensor) -> Tensor:
    """Re-weighting (arXiv 2208.01626, section 3.2; MagicMix, section 3.3): `M diag(s) v = M (diag(s) v)`; `scales` is s `[W]`."""
    return v * scales.to(v)[:, None]


def scale_deviations(v: Tensor, scales: Tensor) -> Tensor:
    """Re-weighting of what sets a token apart: `m + s (v - m)`, m being the mean of all W tokens' values; `scales` is s `[W]`."""
    mean = v.mean(-2, keepdim=True)
    return torch.where(scales.to(v)[:, None] == 1, v, mean + (v - mean) * scales.to(v)[:, None])


def edit_operands(
    q: Tensor, k: Tensor, v: Tensor, source: tuple[Tensor, Tensor], mapping: Tensor | None, own: Tensor | None
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Operands (q, k, v) whose attentions add up to `(M_source A + M diag(1 - g)) v`, where `A = P diag(g)`: one triple or two.

    `source` holds the source's q `[B, N, C]` and k `[B, W_source, C]`; P maps its columns to the target's, of which it governs
    those where g is 1. `mapping` is A `[W_source, W]`, None for the identity; `own` is 1 - g `[W]`, the columns that keep the
    target's own map, None where there are none.
    """
    operands = [(*source, v if mapping is None else mapping.to(v) @ v)]
    if own is not None:
        operands.append((q, k, v * own.to(v)[:, None]))
    return operands


def share_beside(
    attend: Callable[[Tensor, Tensor, Tensor], Tensor],
    operands: tuple[Tensor, Tensor, Tensor],
    source: tuple[Tensor, Tensor],
    own: Tensor | None,
    mapped: Tensor | None,
) -> Tensor | None:
    """`(1 - m) / s` `[B, N, C]`, by which `M_source A` is multiplied so that each row of `M_source A + M diag(1 - g)` sums to 1.

    m is a row's sum of `M diag(1 - g)`, s that of `M_source A`; `own` is 1 - g as in edit_operands, `mapped` `[W_source]` are the sums
    of A's rows, None where all are 1. None where both are.
    """
    q, k, v = operands

    def sums(q: Tensor, k: Tensor, columns: Tensor) -> Tensor:
        """Of `M diag(columns)`, head by head, in each of the head's channels."""
        return attend(q, k, columns.to(v)[:, None].expand(*k.shape[:-1], v.shape[-1]))

    beside = None if own is None else 1 - sums(q, k, own)
    if mapped is None:
        return beside
    return (1 if beside is None else beside) / sums(*source, mapped).clamp(min=LEAST_MAPPED)


def shared_attention(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """`softmax(q k^T / sqrt(d)) v` for q, k `[b, N, C]` and v `[n b, N, C]`: one map for every b rows of values. `[n b, N, C]`.

    The map is made in pieces, so that it never fills memory.
    """
    size, rows = q.shape[-1] // heads, len(v) // len(q)
    q, k = (tensor.unflatten(-1, (heads, size)).transpose(1, 2) for tensor in (q, k))  # [b, heads, N, d]
    wide = v.unflatten(0, (rows, -1)).unflatten(-1, (heads, size)).permute(1, 3, 2, 0, 4).flatten(3)  # [b, heads, N, n d]
    scale, precision = size**-0.5, torch.promote_types(q.dtype, torch.float32)
    step = max(1, MOST_MAP_NUMBERS // (len(q) * heads * k.shape[2]))
    parts = [((part * scale) @ k.mT).softmax(-1, dtype=precision).to(v.dtype) @ wide for part in q.split(step, 2)]
    out = torch.cat(parts, 2).unflatten(-1, (rows, size))  # [b, heads, N, n, d]
    return out.permute(3, 0, 2, 1, 4).flatten(3).flatten(0, 1)


class Indicators:
    """Values that read attention maps off any kernel: for each group of `columns` one channel of a head, 1 in its columns and else 0."""

    def __init__(self, columns: Sequence[Sequence[int]]):
        self.columns = columns
        self._placed = Placed()

    def values(self, width: int, heads: int, like: Tensor) -> list[Tensor]:
        """`[1, width, C]`, or with heads apart `[1, heads, width, d]`, as `like` has them; as many as have room for all groups."""
        return self._placed.get((width, heads, like.shape[-1], like.ndim), like, lambda: self._made(width, heads, like))

    def _made(self, width: int, heads: int, like: Tensor) -> list[Tensor]:
        size, made = like.shape[-1] if like.ndim == 4 else like.shape[-1] // heads, []
        for first in range(0, len(self.columns), size):
            values = torch.zeros(width, heads, size)
            for channel, group in enumerate(self.columns[first : first + size]):
                values[list(group), :, channel] = 1
            values = values.transpose(0, 1) if like.ndim == 4 else values.flatten(1)
            made.append(values[None].to(like))
        return made


def word_maps(attend_to: Callable[[Tensor], Tensor], words: Indicators, width: int, heads: int, like: Tensor) -> Tensor:
    """`[B, groups, N]`: how much each of N places attends to each group of columns of `words`, the mean over the heads.

    `attend_to(v)` attends to values as `Indicators.values` gives them for `like`.
    """
    maps = [attend_to(values).unflatten(-1, (heads, -1)).mean(2) for values in words.values(width, heads, like)]
    return torch.cat(maps, -1)[..., : len(words.columns)].movedim(-1, 1)
