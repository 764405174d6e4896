"""How far results are apart, relative to the second one."""

from torch import Tensor


def relative_distance(a: Tensor, b: Tensor) -> float:
    return ((a - b).norm() / b.norm()).item()


def assert_close(a: Tensor, b: Tensor, tolerance: float = 1e-5) -> None:
    distance = relative_distance(a, b)
    assert distance <= tolerance, f"{distance:.2g} apart, {tolerance:g} allowed"


def differs(a: Tensor, b: Tensor, by: float = 1e-3) -> bool:
    """By more than rounding can do."""
    return relative_distance(a, b) > by
