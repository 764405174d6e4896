"""Refusals of wrong input, each naming the input as the user sees it, what came and what is allowed.

The server checks ranges of typed-in numbers only: not those that come over a link, not NaN, and not a combo's choice.
"""

import math
from collections.abc import Collection

import torch
from torch import Tensor


def check_choice(name: str, value: str, choices: Collection[str]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}; got {value!r}")


def check_range(name: str, value: float, low: float, high: float = math.inf) -> None:
    if not low <= value <= high or math.isinf(value):  # NaN fails every comparison
        allowed = f"lie in [{low:g}, {high:g}]" if high < math.inf else f"be a finite number, {low:g} or more"
        raise ValueError(f"{name} must {allowed}, got {value:g}")


def check_finite_number(name: str, value: float) -> None:
    if not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, got {value:g}")


def check_window(k_max: float, k_min: float) -> None:
    check_range("k_max", k_max, 0, 1)
    check_range("k_min", k_min, 0, 1)
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
            " (channels x height x width). Encode the layout with the VAE that belongs to the model"
        )
    if layout.shape[2:] != target[2:]:
        raise ValueError(
            f"layout must have the size of the latent that is sampled: it is {_size(layout.shape)}, the latent is {_size(target)}"
            " (channels x height x width). Scale the layout's image before it is encoded"
        )
    check_batch("layout", layout.shape[0], target[0])


def check_batch(name: str, rows: int, target: int) -> None:
    if rows not in (1, target):
        raise ValueError(f"{name} must hold 1 picture or as many as the latent that is sampled, {target}; got {rows}")


def _size(shape: torch.Size) -> str:
    return " x ".join(str(length) for length in shape[1:])
