"""Draws a map over a picture, in colours of even lightness steps, with a legend."""

import math

import numpy as np
import torch
from PIL import Image, ImageColor, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import interpolate

from .sheet import INK, LEAST_TILE, PAPER, to_pillow

INFERNO = ("#000004", "#1f0c48", "#550f6d", "#88226a", "#ba3655", "#e35933", "#f98c0a", "#f9c932", "#fcffa4")
"""Nine stops of matplotlib's inferno (CC0), which is even to the eye and to the colour-blind one."""


def colours(values: Tensor) -> Tensor:
    """`[..., 3]` in 0..1 for `values` in 0..1."""
    stops = torch.tensor([ImageColor.getrgb(stop) for stop in INFERNO], dtype=values.dtype) / 255
    place = values.clamp(0, 1) * (len(stops) - 1)
    below = place.floor().long().clamp_max(len(stops) - 2)
    return torch.lerp(stops[below], stops[below + 1], (place - below)[..., None])


def draw_overlay(picture: Tensor, heat: Tensor, label: str, opacity: float, legend: bool) -> Tensor:
    """`picture` `[H, W, C]` in 0..1, greyed, under the map `heat` `[h, w]` of any size; returns `[H', W', 3]`.

    Colours span from 0 to the map's highest value. The legend, a strip below, names the word and the scale's ends.
    """
    factor = math.ceil(LEAST_TILE / max(picture.shape[:2]))
    height, width = (length * factor for length in picture.shape[:2])
    highest = float(heat.max())
    scaled = interpolate(heat[None, None], (height, width), mode="bicubic")[0, 0].clamp(0, highest) / (highest or 1)
    enlarged = torch.from_numpy(np.array(to_pillow(picture).resize((width, height), Image.Resampling.BICUBIC))).float() / 255
    grey = enlarged.mean(2, keepdim=True)
    drawn = torch.lerp(grey, colours(scaled), opacity)
    return torch.cat([drawn, _legend(width, label, highest)]) if legend else drawn


def _legend(width: int, label: str, highest: float) -> Tensor:
    font = ImageFont.load_default(max(14, width // 16))
    line = math.ceil(font.getbbox("Ag")[3] * 1.3)
    strip = Image.new("RGB", (width, 3 * line), PAPER)
    draw = ImageDraw.Draw(strip)
    draw.text((width / 2, line * 0.15), label, fill=INK, font=font, anchor="ma")
    bar = (colours(torch.linspace(0, 1, width).expand(line // 2, -1)) * 255).round().byte().numpy()
    strip.paste(Image.fromarray(bar), (0, round(line * 1.25)))
    draw.text((4, 1.9 * line), "0", fill=INK, font=font, anchor="la")
    draw.text((width - 4, 1.9 * line), f"{highest:.3f}", fill=INK, font=font, anchor="ra")
    return torch.from_numpy(np.array(strip)).float() / 255
