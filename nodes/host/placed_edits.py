"""Edits with their tensors where the model's are: placed once a run, not in every layer."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from .edits import Before, PromptEdit


class PlacedEdit:
    """An edit for the layers of one run, in the place and dtype of `like`, the UNet's input."""

    def __init__(self, edit: PromptEdit, like: Tensor):
        self.edit = edit
        self._like = like.new_empty(0)
        self._scales: dict[int, Tensor | None] = {}
        self._operators: dict[tuple[bool, ...], tuple[Tensor | None, Tensor | None]] = {}
        self._until = edit.source.cross_until.tolist() if edit.source else []

    def fits(self, like: Tensor) -> bool:
        return (like.device, like.dtype) == (self._like.device, self._like.dtype)

    def scales(self, width: int) -> Tensor | None:
        """s `[width]`, for a context that the host has repeated, and to which others may have added tokens; None where all are 1."""
        if width not in self._scales:
            whole = self.edit.scales.repeat(width // self.edit.width)
            scaled = pad(whole, (0, width - len(whole)), value=1.0)
            self._scales[width] = None if bool((scaled == 1).all()) else scaled.to(self._like)
        return self._scales[width]

    def operators(self, before: Before) -> tuple[Tensor | None, Tensor | None] | None:
        """`A = P diag(g)` and `1 - g` of the columns that the source governs now (`edit_operands`); None where it governs none."""
        governed = tuple(before(until) for until in self._until)
        if not any(governed):
            return None
        if governed not in self._operators:
            g = torch.tensor(governed, dtype=torch.float64)
            mapping = self.edit.source.mapping * g
            same = mapping.shape[0] == mapping.shape[1] and torch.equal(mapping, torch.eye(len(mapping), dtype=mapping.dtype))
            own = None if all(governed) else (1 - g).to(self._like)
            self._operators[governed] = (None if same else mapping.to(self._like), own)
        return self._operators[governed]
