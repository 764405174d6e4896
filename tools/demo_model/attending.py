"""Teaches words where to look: the share of a word's attention that falls outside its thing is a loss of its own.

The truth of a scene says where each thing is, so the maps that editing reads need not be left to chance (TokenCompose, arXiv 2312.03626).
"""

import torch
from torch.nn import functional as F

from precision import plain_attention
from text_encoder import POSITIONS

SMALLEST = 8  # maps of fewer pixels a side are too coarse to tell things apart


class Watched:
    """The host's attention override in training; it keeps the maps of words, [B, pixels, 77], until `loss` reads them."""

    def __init__(self, device):
        self.device, self.maps = device, []

    def __call__(self, host_attention, q, k, v, heads, **options):
        if k.shape[1] != POSITIONS:
            attend = plain_attention if self.device.type == "cpu" else None
            return attend(host_attention, q, k, v, heads) if attend else host_attention(q, k, v, heads, **options)
        q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
        weights = (q * q.shape[-1] ** -0.5 @ k.transpose(-1, -2)).softmax(-1)
        if weights.shape[2] >= SMALLEST**2:
            self.maps.append(weights.mean(1))
        return (weights @ v).transpose(1, 2).flatten(2)

    def loss(self, naming, masks):
        """Mean squared share of attention outside; naming [B, 3, 77], masks [B, 3, h, w] shares of each latent pixel. Forgets the maps."""
        maps, self.maps = self.maps, []
        exists = naming.any(-1).float()
        total = 0.0
        for attention in maps:
            side = round(attention.shape[1] ** 0.5)
            inside = (F.adaptive_max_pool2d(masks, side) > 0.3).float().flatten(2)
            words = torch.einsum("bnk,btk->btn", attention.float(), naming)
            outside = 1 - (words * inside).sum(-1) / words.sum(-1).clamp_min(1e-6)
            total = total + (outside.square() * exists).sum() / exists.sum().clamp_min(1)
        return total / max(len(maps), 1)
