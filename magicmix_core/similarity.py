"""How far two pictures are apart in structure and in colour. Pictures are `[B, 3, H, W]` in 0..1; answers are `[B]` in 0..1."""

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

PATCHES = 16
BINS = 4


def structure_distance(a: Tensor, b: Tensor) -> Tensor:
    """How differently the two pictures arrange what is alike and what is not, whatever its colours.

    Each picture becomes the matrix of colour distances between all pairs of its 16 x 16 patches; the answer is
    `(1 - r) / 2` of the two matrices' correlation r: 0 for the same arrangement, 0.5 for unrelated ones. (The idea is the
    self-similarity of Splice, arXiv 2201.00424, on colours instead of a network's features.)
    """
    first, second = (_centred(_self_similarity(picture)) for picture in (a.double(), b.double()))
    correlation = (first * second).sum(1) / (first.norm(dim=1) * second.norm(dim=1)).clamp_min(1e-12)
    return (1 - correlation) / 2


def colour_distance(a: Tensor, b: Tensor) -> Tensor:
    """Which share of the pixels would have to change colour: total variation of histograms with 4 bins a channel."""
    return (_histogram(a) - _histogram(b)).abs().sum(1) / 2


def _self_similarity(picture: Tensor) -> Tensor:
    patches = adaptive_avg_pool2d(picture, PATCHES).flatten(2).mT  # [B, 256, 3]
    return torch.cdist(patches, patches).flatten(1)


def _centred(rows: Tensor) -> Tensor:
    return rows - rows.mean(1, keepdim=True)


def _histogram(picture: Tensor) -> Tensor:
    levels = (picture.clamp(0, 1) * BINS).long().clamp_max(BINS - 1)
    bins = (levels[:, 0] * BINS + levels[:, 1]) * BINS + levels[:, 2]
    counts = torch.zeros(len(picture), BINS**3, dtype=picture.dtype)
    return counts.scatter_add_(1, bins.flatten(1), torch.ones_like(bins.flatten(1), dtype=picture.dtype)) / bins[0].numel()
