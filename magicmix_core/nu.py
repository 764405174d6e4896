"""The interpolation weight nu: over the mixing window (schedule), over the picture (map) and over the batch (rows)."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from .checks import check_range

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
        batch, _, *size = self.start.shape
        start = self.start.to(like).reshape(batch, *[1] * (like.ndim - len(size) - 1), *size)
        return start + (1 - start) * SCHEDULES[self.schedule](progress)


@dataclass(frozen=True)
class BlendedNu:
    """`nu` where the picture may change and 0, the layout, elsewhere: Prompt-to-Prompt's local blend as a nu map.

    `mask(latent)` says where, as 0 or 1 that broadcasts against the latent, or None while it may change everywhere.
    """

    nu: Nu
    mask: Callable[[Tensor], Tensor | None]
    keeps_content = False

    @property
    def rows(self) -> int:
        return self.nu.rows

    def at(self, progress: float, like: Tensor) -> Tensor:
        mask, nu = self.mask(like), self.nu.at(progress, like)
        return nu if mask is None else nu * mask


def make_nu(nu: float, schedule: str, nu_map: Tensor | None, latent_size: torch.Size) -> Nu:
    """nu over a window, for latents whose last two lengths are `latent_size`; a map `[b, H, W]` of any size replaces `nu`.

    Raises ValueError naming `nu_map`.
    """
    if nu_map is None:
        return Nu(torch.full((1, 1, 1, 1), nu), schedule)
    rows = nu_map.reshape(-1, 1, *nu_map.shape[-2:]).float()
    for bound in torch.aminmax(rows):
        check_range("nu_map", float(bound), 0, 1)
    scaled = interpolate(rows, latent_size, mode="bilinear", antialias=True)
    # Clamped, since interpolating leaves a constant map constant only up to rounding.
    return Nu(scaled.clamp(rows.amin((2, 3), True), rows.amax((2, 3), True)), schedule)
