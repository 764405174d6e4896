"""The colours that words name, and drawings turned into them."""

import numpy as np

COLOURS = {  # hue in turns, saturation, value
    "red": (0.0, 0.85, 0.88),
    "yellow": (0.145, 0.80, 0.98),
    "green": (0.36, 0.72, 0.70),
    "blue": (0.60, 0.80, 0.88),
    "purple": (0.76, 0.62, 0.72),
    "pink": (0.93, 0.45, 0.99),
}
PLAIN = COLOURS | {"orange": (0.08, 0.85, 0.97), "grey": (0.0, 0.0, 0.68), "black": (0.0, 0.0, 0.12)}
"""What plain backgrounds can be beside white."""
SATURATED = 0.25
NEAR = 32 / 360


def to_hsv(rgb):
    """Hue in turns, saturation and value, [...] each, of colours [..., 3] in 0..1."""
    high, low = rgb.max(-1), rgb.min(-1)
    spread = high - low
    safe = np.maximum(spread, 1e-6)
    red, green, blue = np.moveaxis(rgb, -1, 0)
    hue = np.where(high == red, (green - blue) / safe % 6, np.where(high == green, (blue - red) / safe + 2, (red - green) / safe + 4))
    return hue / 6 % 1, spread / np.maximum(high, 1e-6), high


def to_rgb(hue, saturation, value):
    """Colours [..., 3] in 0..1."""
    sector = (np.asarray(hue)[..., None] * 6 + np.array([5.0, 3.0, 1.0])) % 6
    depth = np.clip(np.minimum(sector, 4 - sector), 0, 1)
    return np.asarray(value)[..., None] * (1 - np.asarray(saturation)[..., None] * depth)


def named(name):
    """The colour's own [3] in 0..1; white is known too."""
    return np.ones(3) if name == "white" else to_rgb(*PLAIN[name])


def main_hue(rgb, opaque):
    """(the hue that most of a drawing's saturated pixels are near to, which share of all its opaque pixels these are).

    rgb: [H, W, 3] in 0..1; opaque: bool [H, W].
    """
    hue, saturation, value = to_hsv(rgb[opaque])
    strong = (saturation > SATURATED) & (value > 0.15)
    if not strong.any():
        return 0.0, 0.0
    counts, _ = np.histogram(hue[strong], 36, (0, 1))
    hue_at = (int(np.argmax(counts + np.roll(counts, 1) + np.roll(counts, -1))) + 0.5) / 36
    return hue_at, float((strong & (distance(hue, hue_at) < NEAR)).mean())


def distance(hue, other):
    """Between hues on their circle, 0 to 0.5."""
    return np.abs((hue - other + 0.5) % 1 - 0.5)


def recolour(drawing, colour):
    """A drawing uint8 [H, W, 4] whose main hue is turned into the named colour; what is grey or of another hue stays."""
    rgb, opaque = drawing[..., :3] / 255, drawing[..., 3] > 127
    hue, saturation, value = to_hsv(rgb)
    old, _ = main_hue(rgb, opaque)
    turned = np.clip((saturation - 0.12) / 0.18, 0, 1) * np.clip((0.16 - distance(hue, old)) / 0.04, 0, 1)
    main = opaque & (turned > 0.9)
    if not main.any():
        return drawing
    new, strength, light = COLOURS[colour]
    offset = (hue - old + 0.5) % 1 - 0.5
    saturation = np.clip(saturation * strength / np.median(saturation[main]), 0, 1)
    value = np.clip(value * light / np.median(value[main]), 0, 1)
    changed = to_rgb((new + 0.3 * offset) % 1, saturation, value)
    mixed = rgb + (changed - rgb) * turned[..., None]
    return np.concatenate([(mixed * 255).round().astype(np.uint8), drawing[..., 3:]], -1)
