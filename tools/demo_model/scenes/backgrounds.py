"""What scenes stand on, drawn by code. Patterns are coarse and pale: a latent pixel covers 8 x 8, and finer ones drown the things.

A background is named by a kind and a colour, "grass" or "stripes:blue"; each has its words and, where things stand on it, a ground.
"""

import numpy as np

from scenes.colours import PLAIN, named

COLOURED = ("plain", "gradient", "stripes", "dots", "checks")
GROUNDS = ("grass", "beach", "snow", "night")
"""Backgrounds with a horizon, on which things stand."""
WORDS = {
    "white": ("on a white background",),
    "plain": ("on a {colour} background", "on {colour}"),
    "gradient": ("on a {colour} gradient",),
    "stripes": ("on {colour} stripes", "on a background with {colour} stripes"),
    "dots": ("on {colour} dots", "on a background with {colour} dots"),
    "checks": ("on {colour} checks", "on a background with {colour} checks"),
    "grass": ("on green grass", "on grass under a blue sky", "in a meadow"),
    "beach": ("on a beach", "on the sand by the sea"),
    "snow": ("in the snow", "on snow"),
    "night": ("at night", "under a night sky"),
    "wood": ("on wood", "in front of a wooden wall"),
    "bricks": ("in front of a brick wall",),
}
HORIZON = {"grass": 0.62, "beach": 0.66, "snow": 0.60, "night": 0.74}


def kinds(name):
    """(kind, colour or "") of a background's name."""
    kind, _, colour = name.partition(":")
    return kind, colour


def draw_name(shares, rng):
    """A random background's name; `shares`: kind -> weight."""
    kind = pick(shares, rng)
    return f"{kind}:{rng.choice(list(PLAIN))}" if kind in COLOURED else kind


def pick(shares, rng):
    """One of the names, with the weights that they have."""
    weights = np.array(list(shares.values()))
    return list(shares)[int(np.searchsorted(np.cumsum(weights) / weights.sum(), rng.random(), side="right"))]


def pale(colour, share):
    """The named colour mixed into white."""
    return 1 - share * (1 - named(colour))


def draw(name, size, rng):
    """float32 [size, size, 3] in 0..1."""
    kind, colour = kinds(name)
    down, across = np.mgrid[0:size, 0:size].astype(np.float32) / size
    if kind == "white":
        picture = np.ones((size, size, 3))
    elif kind == "plain":
        picture = np.broadcast_to(np.clip(named(colour) * rng.uniform(0.96, 1.04), 0, 1), (size, size, 3))
    elif kind == "gradient":
        picture = blend(pale(colour, 0.15), named(colour), down)
    elif kind in ("stripes", "dots", "checks"):
        picture = blend(pale(colour, 0.08), pale(colour, 0.45), PATTERNS[kind](down, across, rng.random()))
    elif kind in GROUNDS:
        picture = LANDSCAPES[kind](down, across, rng)
    elif kind == "wood":
        waves = 0.5 + 0.5 * np.sin(2 * np.pi * (4 * across + 0.15 * np.sin(2 * np.pi * (down + rng.random()))))
        picture = blend(np.array([0.72, 0.52, 0.33]), np.array([0.80, 0.61, 0.41]), waves)
    elif kind == "bricks":
        row = np.floor(down * 5)
        joint = edge(np.minimum((down * 5) % 1, 1 - (down * 5) % 1) / 5, 0.012, size)
        side = (across * 3 + row % 2 / 2) % 1
        joint = np.maximum(joint, edge(np.minimum(side, 1 - side) / 3, 0.012, size))
        picture = blend(np.array([0.74, 0.40, 0.33]), np.array([0.84, 0.70, 0.64]), joint)
    else:
        raise ValueError(f"no background is called {name!r}; there are {', '.join(WORDS)}")
    return np.ascontiguousarray(picture, dtype=np.float32)


def blend(first, second, share):
    """Colours [H, W, 3] from `first` at 0 to `second` at 1."""
    return first + (second - first) * share[..., None]


def edge(distance, width, size):
    """1 within `width` of a line, 0 beyond, with a soft edge of two pixels."""
    return np.clip((width - distance) * size / 2 + 0.5, 0, 1)


def stripes(down, across, phase):
    return 0.5 + 0.5 * np.clip(2 * np.sin(2 * np.pi * (3 * across + phase)), -1, 1)


def dots(down, across, phase):
    x, y = (3 * across + phase) % 1 - 0.5, (3 * down + phase) % 1 - 0.5
    return np.clip((0.32 - np.hypot(x, y)) * 5 + 0.5, 0, 1)


def checks(down, across, phase):
    return 0.5 + 0.5 * np.clip(4 * np.sin(2 * np.pi * (2 * across + phase)) * np.sin(2 * np.pi * (2 * down + phase)), -1, 1)


PATTERNS = {"stripes": stripes, "dots": dots, "checks": checks}


def hills(across, level, height, rng):
    """The line between sky and ground, [1, W] from the top."""
    return level + height * np.sin(2 * np.pi * (across[:1] * rng.uniform(0.5, 1.2) + rng.random()))


def below(down, line, size):
    """1 under the line, 0 above it."""
    return np.clip((down - line) * size / 2 + 0.5, 0, 1)


def grass(down, across, rng):
    sky = blend(np.array([0.55, 0.80, 0.98]), np.array([0.85, 0.94, 1.0]), down / HORIZON["grass"])
    ground = blend(np.array([0.55, 0.80, 0.36]), np.array([0.36, 0.66, 0.26]), (down - 0.6) / 0.4)
    return over(sky, ground, below(down, hills(across, HORIZON["grass"], 0.03, rng), len(down)))


def beach(down, across, rng):
    sky = blend(np.array([0.60, 0.84, 0.98]), np.array([0.90, 0.97, 1.0]), down * 2)
    sea = np.broadcast_to(np.array([0.25, 0.62, 0.80]), sky.shape)
    sand = blend(np.array([0.95, 0.86, 0.62]), np.array([0.90, 0.77, 0.50]), (down - 0.66) / 0.34)
    picture = over(sky, sea, below(down, 0.48, len(down)))
    return over(picture, sand, below(down, hills(across, HORIZON["beach"], 0.015, rng), len(down)))


def snow(down, across, rng):
    sky = blend(np.array([0.70, 0.78, 0.88]), np.array([0.86, 0.90, 0.95]), down / HORIZON["snow"])
    ground = blend(np.array([1.0, 1.0, 1.0]), np.array([0.90, 0.94, 0.98]), (down - 0.6) / 0.4)
    return over(sky, ground, below(down, hills(across, HORIZON["snow"], 0.03, rng), len(down)))


def night(down, across, rng):
    sky = blend(np.array([0.05, 0.07, 0.22]), np.array([0.16, 0.18, 0.42]), down / HORIZON["night"])
    for x, y in rng.random((5, 2)):  # few and broad: finer ones no latent holds
        glow = np.exp(-((across - x) ** 2 + (down - 0.6 * y) ** 2) / 0.02**2)
        sky = blend(sky, np.array([0.95, 0.93, 0.75]), 0.9 * glow)
    ground = np.broadcast_to(np.array([0.12, 0.20, 0.16]), sky.shape)
    return over(sky, ground, below(down, hills(across, HORIZON["night"], 0.02, rng), len(down)))


def over(back, front, share):
    return back + (front - back) * share[..., None]


LANDSCAPES = {"grass": grass, "beach": beach, "snow": snow, "night": night}
