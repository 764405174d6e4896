"""Tensors that are made once a run."""

from collections.abc import Callable, Hashable
from typing import Any

from torch import Tensor


class Placed:
    """Tensors made once a run for each place, kind of number and key that they are needed for, not once a layer."""

    def __init__(self):
        self._made: dict[Hashable, Any] = {}

    def get(self, key: Hashable, like: Tensor, make: Callable[[], Any]) -> Any:
        """What `make` gave for this key and the device and dtype of `like`, when it was first asked for."""
        key = (key, like.device, like.dtype)
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]
