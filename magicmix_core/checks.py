"""Refusals of wrong input, each naming the input as the user sees it, what came and what is allowed."""

import math
from collections.abc import Collection
from numbers import Real

import torch
from torch import Tensor

from .wording import quoted

AXES = {3: "channels x length", 4: "channels x height x width", 5: "channels x frames x height x width"}
"""What the lengths of a latent are, behind its batch, by how many it has with it."""


def shown(value: object) -> str:
    """A value that came, in few words."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list | tuple | dict):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, Real):
        return f"{value:g}" if isinstance(value, float) else str(value) if abs(value) < 2**64 else f"a number of {value.bit_length()} bits"
    if isinstance(value, Tensor):
        return "numbers in " + (" x ".join(map(str, value.shape)) or "no dimension")
    return type(value).__name__


def check_choice(name: str, value: str, choices: Collection[str]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}; got {shown(value)}")


def check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # NaN fails every comparison
        raise ValueError(f"{name} must lie in [{shown(low)}, {shown(high)}], got {shown(value)}")


def check_finite_number(name: str, value: float) -> None:
    if not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, got {value:g}")


def check_window(k_max: float, k_min: float) -> None:
    if k_min > k_max:
        raise ValueError(f"k_min must not be above k_max, got k_min {k_min:g} and k_max {k_max:g}")


def check_finite(name: str, values: Tensor) -> None:
    bad = values.numel() - int(torch.isfinite(values).sum())
    if bad:
        raise ValueError(f"{name} must hold finite numbers only, got {bad} of {values.numel()} that are NaN or infinite")


def check_layout_fits(layout: Tensor, target: torch.Size) -> None:
    """The layout's latent `[b, C, H, W]` against the shape `[B, C, H, W]` it is to steer, with b either 1 or B."""
    if layout.ndim != len(target) or layout.shape[1] != target[1]:
        raise ValueError(
            f"layout must be a latent of the model's own kind: it is {_size(layout.shape)}, the model works on {_size(target)}"
            f" ({AXES[len(target)]}). Encode the layout with the VAE that belongs to the model"
        )
    if layout.shape[2:] != target[2:]:
        raise ValueError(
            f"layout must have the size of the latent that is sampled: it is {_size(layout.shape)}, the latent is {_size(target)}"
            f" ({AXES[len(target)]}). Scale the layout's image before it is encoded"
        )
    check_batch("layout", layout.shape[0], target[0])


def check_kind(name: str, latent: Tensor, channels: int, axes: int) -> None:
    """A latent `[B, C, ...]` against those of a model: their `channels`, and the `axes` that follow them."""
    if latent.ndim != axes + 2 or latent.shape[1] != channels:
        known = latent.shape[2:] if latent.ndim == axes + 2 else AXES[axes + 2].split(" x ")[1:]
        works_on = " x ".join(map(str, [channels, *known]))
        raise ValueError(
            f"{name} must be a latent of the model's own kind: it is {_size(latent.shape)}, the model works on {works_on}"
            f" ({AXES[axes + 2]}). Encode the picture with the VAE that belongs to the model"
        )


def check_batch(name: str, rows: int, target: int) -> None:
    if rows not in (1, target):
        raise ValueError(f"{name} must hold 1 picture or as many as the latent that is sampled, {target}; got {rows}")


def _size(shape: torch.Size) -> str:
    return " x ".join(str(length) for length in shape[1:])
