"""Prompts recognised by their encodings `[1, W, C]`: what a run samples is known by nothing else."""

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from .steering import PromptOfRun

LAYERS = "conditioning_llama3"
"""What else a conditioning may say of its prompt: `[1, layers, n, C]`, each layer of a second text encoder."""


def text_of(context: Tensor, more: Mapping[str, Any]) -> Tensor:
    """`[1, W, C]`: all rows of text that a network attends to, of an entry `[context, more]` of a CONDITIONING.

    HiDream attends to the encoding, then to the second encoder's last layer, then to that of its layers which belongs to the block. The
    last one stands here for both: a prompt's columns can be counted and a prompt be known by it as well.
    """
    layers = more.get(LAYERS)
    return context if layers is None else torch.cat([context, layers[:, -1], layers[:, -1]], 1)


class Edit(Protocol):
    encoding: Tensor
    """`[1, W, C]` of the prompt that is edited."""


def stands_at(encoding: Tensor, context: Tensor, start: int) -> bool:
    """Whether `encoding` `[1, W, C]` stands in `context` `[1, W', C]` from column `start` on."""
    return torch.equal(context[:, start : start + encoding.shape[1]].cpu(), encoding.cpu())


def alike(a: Tensor, b: Tensor) -> bool:
    """Whether two encodings are the same."""
    return a.shape == b.shape and stands_at(a, b, 0)


def occurrences(encoding: Tensor, context: Tensor, first: int = 0) -> list[int]:
    """The columns, from `first` on, from which `encoding` stands in `context`."""
    last = context.shape[1] - encoding.shape[1]
    return [start for start in range(first, last + 1) if stands_at(encoding, context, start)]


def starts_of_edit(edit: Edit, prompt: PromptOfRun) -> list[int]:
    """Where an edit acts on a prompt: at the front if its conditioning carries the edit or one of the same encoding, and wherever
    the encoding was appended (the host keeps the dictionary of the first of concatenated conditionings only).

    What stands first and carries no edit is a prompt that is meant without one.
    """
    if not prompt.conditional:
        return []
    carried = any(each is edit or alike(each.encoding, edit.encoding) for each in prompt.carried)
    first = max([1, *(each.encoding.shape[1] for each in prompt.carried)])
    return [0] * carried + occurrences(edit.encoding, prompt.context, first)


def first_difference(encoding: Tensor, context: Tensor) -> int:
    """The first column in which `encoding` `[1, W, C]` is not `context` `[1, W', C]`; W where it is all the same."""
    width = min(encoding.shape[1], context.shape[1])
    if encoding.shape[2] != context.shape[2]:
        return 0
    same = torch.isclose(encoding[:1, :width].cpu(), context[:1, :width].cpu(), rtol=1e-3, atol=1e-4).all(2)[0]
    return int(same.cumprod(0).sum()) if width < encoding.shape[1] or not bool(same.all()) else encoding.shape[1]
