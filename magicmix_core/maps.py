"""Maps of where words are in a picture, gathered from cross-attention while sampling."""

import math
from collections.abc import Iterable

from torch import Tensor
from torch.nn import functional


class MapStore:
    """Word maps `[B, n, h, w]`, summed by their size over layers and steps: a model may work on a smaller picture for a while."""

    def __init__(self):
        self.sums: dict[tuple[int, int], Tensor] = {}
        self.counts: dict[tuple[int, int], int] = {}

    def add(self, maps: Tensor) -> None:
        size = tuple(maps.shape[-2:])
        self.sums[size] = self.sums.get(size, 0) + maps.float()
        self.counts[size] = self.counts.get(size, 0) + 1

    @property
    def empty(self) -> bool:
        return not self.sums

    def mean(self, places: int) -> Tensor:
        """`[B, n, h, w]`: the mean map of the size nearest to `places`. Raises ValueError when nothing was added."""
        if self.empty:
            raise ValueError("no attention map was recorded")
        nearest = min(self.sums, key=lambda size: _ratio(math.prod(size), places))
        return self.sums[nearest] / self.counts[nearest]


def nearest_level(levels: Iterable[int], height: int, width: int, places: int) -> int:
    """The one of `levels` whose number of places is nearest to `places`, where level l halves `height` x `width` l times."""
    return min(levels, key=lambda level: _ratio(-(-height // 2**level) * -(-width // 2**level), places))


def _ratio(a: int, b: int) -> float:
    """How many times one is the other, whichever is larger."""
    return max(a / b, b / a)


def blend_mask(maps: Tensor, height: int, width: int, threshold: float = 0.3) -> Tensor:
    """Local blend (Prompt-to-Prompt, arXiv 2208.01626, section 4): `[B, 1, height, width]`, 1 where the words are and else 0.

    `maps` `[B, n, h, w]`: each is widened by one place, scaled up, and cut at `threshold` of its highest value; any word counts.
    """
    wide = functional.interpolate(functional.max_pool2d(maps, 3, 1, 1), (height, width), mode="bilinear")
    return (wide > threshold * wide.amax((2, 3), keepdim=True)).any(1, keepdim=True).to(maps)


def soft_masks(maps: Tensor, height: int, width: int, threshold: float, soft_edge: int) -> Tensor:
    """Where each word is: `[n, height, width]` in 0..1 from its map `[n, h, w]`, scaled up and cut at `threshold` of its highest value.

    Around the cut the mask rises over `soft_edge` pixels from 0 to 1, half of them on either side. A map of nothing is nowhere.
    """
    scaled = functional.interpolate(maps[:, None], (height, width), mode="bicubic").clamp_min(0)
    masks = (scaled > threshold * maps.amax((1, 2)).reshape(-1, 1, 1, 1)).to(maps)
    for length in (-(-soft_edge // 2), soft_edge // 2):  # two means in a row: a slope without corners, as wide as both together
        if length > 1:
            before = length // 2
            wide = functional.pad(masks, [before, length - 1 - before] * 2, mode="replicate")
            masks = functional.avg_pool2d(wide, length, 1)
    return masks[:, 0].clamp(0, 1)
