"""The interpolation weight nu: over the mixing window (schedule), over the noise levels (curve), over the picture (map) and the batch (rows)."""

import math
from bisect import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .checks import check_range
from .places import fit, spread
from .wording import quoted

SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda progress: 0.0,
    "linear": lambda progress: progress,
    "cosine": lambda progress: (1 - math.cos(math.pi * progress)) / 2,
}
"""How far the layout has faded out when a fraction `progress` of the window has passed."""


@dataclass(frozen=True)
class Nu:
    """nu over the window: `start` at its first step, towards 1 (no layout) at its end as `schedule` says.

    `start` is `[1 or B, 1, 1 or h, 1 or w]` in `[0, 1]`: 1 keeps the content, 0 puts the layout in its place. One value is a
    tensor too, so that it mixes to the same bits as a map of that value.
    """

    start: Tensor
    schedule: str = "constant"

    def __post_init__(self):
        low, high = (float(bound) for bound in torch.aminmax(self.start))
        if not (low >= 0 and high <= 1):  # also when NaN
            came = f"{low:g}" if low == high or math.isnan(low) else f"values from {low:g} to {high:g}"
            raise ValueError(f"nu must lie in [0, 1], got {came}")
        if self.schedule not in SCHEDULES:
            raise ValueError(f"nu_schedule must be one of {', '.join(SCHEDULES)}, got {self.schedule!r}")

    @property
    def rows(self) -> int:
        """For how many pictures of a batch it says something else; 1 for the same for all."""
        return self.start.shape[0]

    @property
    def keeps_content(self) -> bool:
        """Whether nu is 1 everywhere: nothing would be mixed."""
        return bool((self.start == 1).all())

    def at(self, progress: float, like: Tensor) -> Tensor:
        """nu when a fraction `progress` in `[0, 1)` of the window's steps is done; broadcasts against the latent `like`."""
        start = spread(self.start, like).to(like)
        return start + (1 - start) * SCHEDULES[self.schedule](progress)


@dataclass(frozen=True)
class NuCurve:
    """nu over the noise levels: `points` (K, nu) with rising K, straight lines between them, the outer ones' nu beyond.

    K is a fraction of the training timesteps, as `k_max` is: 1 for pure noise, 0 for none. `drawn` says nu at a K where the way
    between the points is another one.
    """

    points: tuple[tuple[float, float], ...]
    drawn: Callable[[float], float] | None = None
    rows = 1

    @property
    def keeps_content(self) -> bool:
        return all(nu == 1 for _, nu in self.points)

    def over(self, levels: Sequence[float]) -> "SteppedNu":
        """nu for mixed steps that start at these levels K."""
        return SteppedNu(tuple(map(self.at, levels)))

    def at(self, level: float) -> float:
        if self.drawn is not None:
            return min(max(self.drawn(level), 0.0), 1.0)
        above = bisect(self.points, level, key=lambda point: point[0])
        if above in (0, len(self.points)):
            return self.points[max(above - 1, 0)][1]
        (low, nu_low), (high, nu_high) = self.points[above - 1 : above + 1]
        return nu_low + (nu_high - nu_low) * (level - low) / (high - low)


@dataclass(frozen=True)
class SteppedNu:
    """One nu for each mixed step."""

    values: tuple[float, ...]
    rows = 1

    @property
    def keeps_content(self) -> bool:
        return all(nu == 1 for nu in self.values)

    def at(self, progress: float, like: Tensor) -> Tensor:
        return torch.full([1] * like.ndim, self.values[round(progress * len(self.values))]).to(like)


@dataclass(frozen=True)
class ShapedNu:
    """`nu` as words of the prompts shape it in the run: `shape(nu, latent)` is what becomes of it, and broadcasts against the latent."""

    nu: Nu | SteppedNu
    shape: Callable[[Tensor, Tensor], Tensor]
    keeps_content = False

    def at(self, progress: float, like: Tensor) -> Tensor:
        return self.shape(self.nu.at(progress, like), like)


def make_nu(
    nu: float, schedule: str, nu_map: Tensor | None, latent_size: torch.Size, curve: str = "", drawn: NuCurve | None = None
) -> Nu | NuCurve:
    """nu over a window, for latents whose last two lengths are `latent_size`; a map `[b, H, W]` of any size replaces `nu`, and so do the
    points of a `curve` or one that is `drawn`, which go with neither a map nor a schedule nor each other.

    Raises ValueError naming `nu_map`, `nu_curve` or `nu_curve_drawn`.
    """
    typed = curve.strip()
    if typed and drawn is not None:
        raise ValueError("nu_curve must be empty where nu_curve_drawn is connected: the drawn curve says all")
    if typed or drawn is not None:
        name, off = ("nu_curve", "empty") if typed else ("nu_curve_drawn", "left unconnected")
        if nu_map is not None:
            raise ValueError(f"{name} must be {off} where nu_map is connected: nu comes either from places or from noise levels")
        if schedule != "constant":
            raise ValueError(f"{name} must be {off} where nu_schedule is {schedule}: set nu_schedule to constant, the curve says all")
        return read_curve(curve) if typed else drawn
    if nu_map is None:
        return Nu(torch.full((1, 1, 1, 1), nu), schedule)
    rows = nu_map.reshape(-1, 1, *nu_map.shape[-2:]).float()
    for bound in torch.aminmax(rows):
        check_range("nu_map", float(bound), 0, 1)
    return Nu(fit(rows, latent_size), schedule)


def read_curve(text: str) -> NuCurve:
    """Points as `1:0.9, 0.6:0.5` (noise level : nu), in any order. Raises ValueError naming `nu_curve`."""
    points = {}
    for entry in filter(None, map(str.strip, text.replace("\n", ",").split(","))):
        try:
            level, nu = map(float, entry.split(":"))
        except ValueError:
            raise ValueError(f"nu_curve must be points as in 1:0.9, 0.6:0.5 (noise level : nu), got {quoted(entry)}") from None
        check_range("nu_curve: a noise level", level, 0, 1)
        check_range("nu_curve: nu", nu, 0, 1)
        if level in points:
            raise ValueError(f"nu_curve must say one nu for a noise level, got two for {level:g}")
        points[level] = nu
    if not points:
        raise ValueError(f"nu_curve must hold a point at least, as 0.6:0.5, got {quoted(text)}")
    return NuCurve(tuple(sorted(points.items())))


def drawn_curve(points: Sequence[tuple[float, float]], drawn: Callable[[float], float]) -> NuCurve:
    """A curve through `points` (K, nu), which `drawn` follows. Raises ValueError naming `nu_curve_drawn`."""
    if not points:
        raise ValueError("nu_curve_drawn must have a point at least, got none")
    for level, nu in points:
        check_range("nu_curve_drawn: a noise level (x)", level, 0, 1)
        check_range("nu_curve_drawn: nu (y)", nu, 0, 1)
    return NuCurve(tuple(sorted(points)), drawn)
