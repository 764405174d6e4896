"""Edits of cross-attention and self-attention, without ever making an attention map.

`attend(q, k, v) -> out` is any attention kernel over `q` `[B, N, C]`, `k` and `v` `[B, W, C]` with heads side by side in C; below,
M is the map that it would make. Whatever multiplies M from the right can be done to v instead: `(M A) v = M (A v)`.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]


def scale_columns(v: Tensor, scales: Tensor) -> Tensor:
    """Re-weighting (arXiv 2208.01626, section 3.2; MagicMix, section 3.3): `M diag(s) v = M (diag(s) v)`; `scales` is s `[W]`."""
    return v * scales.to(v)[:, None]


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


def word_maps(attend_to: Callable[[Tensor], Tensor], columns: Sequence[Sequence[int]], width: int, heads: int, like: Tensor) -> Tensor:
    """`[B, len(columns), N]`: how much each of N places attends to each group of columns, the mean over the heads.

    `attend_to(v)` attends to values `[1, width, C]`; C, dtype and device are those of `like`. The values are indicators, one
    channel of a head for each group, so that any kernel will do.
    """
    size = like.shape[-1] // heads
    maps = []
    for first in range(0, len(columns), size):
        part = columns[first : first + size]
        indicators = torch.zeros(width, heads, size, dtype=like.dtype, device=like.device)
        for channel, group in enumerate(part):
            indicators[list(group), :, channel] = 1
        out = attend_to(indicators.reshape(1, width, -1))
        maps.append(out.reshape(*out.shape[:2], heads, size).mean(2)[..., : len(part)].movedim(-1, 1))
    return torch.cat(maps, 1)
