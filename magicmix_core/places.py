"""Maps over the places of a latent: of its size, and in its shape."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate


def fit(rows: Tensor, size: torch.Size) -> Tensor:
    """Maps `[b, 1, h, w]` of any size as `[b, 1, H, W]`. A constant stays that constant, to the bit."""
    scaled = interpolate(rows, size, mode="bilinear", antialias=True)
    # Clamped, since interpolating leaves a constant constant only up to rounding.
    return scaled.clamp(rows.amin((-2, -1), True), rows.amax((-2, -1), True))


def spread(rows: Tensor, like: Tensor) -> Tensor:
    """Maps `[b, .., h, w]`, one for each row of a batch, so that they broadcast against the latent `like` `[B, C, .., H, W]`."""
    return rows.reshape(len(rows), *[1] * (like.ndim - 3), *rows.shape[-2:])
