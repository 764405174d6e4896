"""Other packs' patches beside source rows: shown the host's rows only, since many count rows by prompts.

A patch that gives its rows another shape is shown all rows instead, if it treats every row alike: one that works on a smaller
picture for a while (deep shrink) or cuts it into tiles (HyperTile). One that merges places of each row in its own way cannot be.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

import nodes

from .graph import name_of

MERGING = ("TomePatchModel",)
"""Nodes of the host whose patches merge places."""


def check_merges_nothing(patches: dict[str, list[Callable]]) -> None:
    """Raises ValueError that names a node whose patch is known not to go with source rows."""
    for patch in (patch for listed in patches.values() for patch in listed):
        if any(class_type in MERGING for class_type in _nodes_of(patch)):
            raise _refusal(patch)


def hide_rows(patches: dict[str, list[Callable]], count: int, rows: int) -> dict[str, list[Callable]]:
    """The patches, each given the last `rows - count` of `rows` rows only, where it can be."""
    return {name: [_hidden(patch, count, rows) for patch in listed] for name, listed in patches.items()}


def _hidden(patch: Callable, count: int, rows: int) -> Callable:
    def is_whole(value: Any) -> bool:
        return isinstance(value, Tensor) and value.shape[0] == rows

    def call(*arguments: Any) -> Any:
        whole = [value for value in arguments if is_whole(value)]
        if not whole:  # tiles, which another patch of the same pack made of all rows
            return patch(*arguments)
        result = patch(*(value[count:] if is_whole(value) else value for value in arguments))
        results = [result] if isinstance(result, Tensor) else list(result)
        pairs = [(before, value) for before, value in zip(whole, results, strict=False) if value is not None]
        if all(value.shape == before[count:].shape for before, value in pairs):
            joined = [value if value is None else torch.cat([before[:count], value]) for before, value in zip(whole, results, strict=True)]
            return joined[0] if isinstance(result, Tensor) else tuple(joined)
        if not all(before.ndim == 4 or value.numel() == before[count:].numel() for before, value in pairs):
            raise _refusal(patch)
        return patch(*arguments)

    return call


def _refusal(patch: Callable) -> ValueError:
    names = [name_of(class_type) for class_type in _nodes_of(patch)]
    culprit = f"the node {' or '.join(names)}" if names else f"a patch of {_module(patch)}"
    return ValueError(
        f"model: {culprit} changes how many places or tokens attention sees, so no layout can be followed with it: take it out of the graph"
    )


def _nodes_of(patch: Callable) -> list[str]:
    """The kinds of node that this patch may come from: the one whose class defines it, or else all of its module."""
    there = {class_type: node for class_type, node in nodes.NODE_CLASS_MAPPINGS.items() if node.__module__ == _module(patch)}
    definer = getattr(patch, "__qualname__", type(patch).__qualname__).partition(".")[0]
    return [class_type for class_type, node in there.items() if node.__name__ == definer] or list(there)


def _module(patch: Callable) -> str:
    return getattr(patch, "__module__", None) or type(patch).__module__
