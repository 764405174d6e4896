"""Maps of where words are in a picture, gathered from cross-attention while sampling."""

import math

from torch import Tensor
from torch.nn import functional


class MapStore:
    """Word maps `[B, n, N]` of N places each, summed by N over layers and steps."""

    def __init__(self):
        self.sums: dict[int, Tensor] = {}
        self.counts: dict[int, int] = {}

    def add(self, maps: Tensor) -> None:
        places = maps.shape[-1]
        self.sums[places] = self.sums.get(places, 0) + maps.float()
        self.counts[places] = self.counts.get(places, 0) + 1

    def mean(self, height: int, width: int, places: int) -> Tensor:
        """`[B, n, h, w]`: the mean map at the resolution nearest to `places`, of a latent of `height` x `width`.

        Raises ValueError when nothing was added.
        """
        if not self.sums:
            raise ValueError("no attention map was recorded: sample with the recording model first")
        nearest = min(self.sums, key=lambda there: abs(math.log(there / places)))
        size = map_size(height, width, nearest)
        return (self.sums[nearest] / self.counts[nearest]).unflatten(-1, size)


def map_size(height: int, width: int, places: int) -> tuple[int, int]:
    """How a UNet that halves a latent of `height` x `width` level by level lays out this number of places."""
    while height * width > places:
        height, width = (height + 1) // 2, (width + 1) // 2
    if height * width != places:
        raise ValueError(f"{places} places are no level of this latent")
    return height, width


def blend_mask(maps: Tensor, height: int, width: int, threshold: float = 0.3) -> Tensor:
    """Local blend (Prompt-to-Prompt, arXiv 2208.01626, section 4): `[B, 1, height, width]`, 1 where the words are and else 0.

    `maps` `[B, n, h, w]`: each is widened by one place, scaled up, and cut at `threshold` of its highest value; any word counts.
    """
    wide = functional.interpolate(functional.max_pool2d(maps, 3, 1, 1), (height, width), mode="bilinear")
    return (wide > threshold * wide.amax((2, 3), keepdim=True)).any(1, keepdim=True).to(maps)
