"""Where the things of a scene are. A place is named by what words say of it; things are listed in the order that `PLACES` explains.

Boxes are in pixels; lengths here are shares of the picture's side.
"""

import zlib
from dataclasses import dataclass

import numpy as np

PLACES = {
    "alone": 1,  # a thing
    "left": 2,  # the first to the left of the second
    "above": 2,  # the first above the second
    "on": 2,  # the first on top of the second
    "under": 2,  # the first under the second, which is larger and behind it
    "wearing": 2,  # the first wears the second on its head
    "row": 3,  # from left to right
    "crowd": 3,  # the first to the left of the second, the third above both
}
"""Place -> how many things it wants."""


@dataclass(frozen=True)
class Spot:
    """Of one thing: its longest side, the middle of its box across and down; `foot` instead of the middle where it stands on a ground."""

    longest: float
    across: float
    down: float
    foot: float


SPOTS = {
    "alone": (Spot(0.88, 0.5, 0.5, 0.90),),
    "left": (Spot(0.45, 0.26, 0.5, 0.84), Spot(0.45, 0.74, 0.5, 0.84)),
    "above": (Spot(0.43, 0.5, 0.26, 0.47), Spot(0.43, 0.5, 0.74, 0.95)),
    "on": (Spot(0.40, 0.5, 0.3, 0.0), Spot(0.58, 0.5, 0.68, 0.95)),
    "under": (Spot(0.36, 0.5, 0.78, 0.96), Spot(0.84, 0.5, 0.47, 0.92)),
    "wearing": (Spot(0.62, 0.5, 0.62, 0.93), Spot(0.36, 0.5, 0.2, 0.0)),
    "row": (Spot(0.30, 0.18, 0.5, 0.78), Spot(0.30, 0.5, 0.5, 0.78), Spot(0.30, 0.82, 0.5, 0.78)),
    "crowd": (Spot(0.40, 0.26, 0.72, 0.94), Spot(0.40, 0.74, 0.72, 0.94), Spot(0.34, 0.5, 0.22, 0.40)),
}
ORDER = {"on": (1, 0), "under": (1, 0)}
"""Which thing is drawn first, where it is not the first one."""
STANDING = {"above": (1,), "crowd": (0, 1), "on": (1,), "wearing": (0,)}
"""Which things stand on a ground, where not all do."""
RESTING = {"on": 0, "wearing": 1}
"""The thing whose foot is on the other one's top."""
STEADY = 0.88
"""Share of its size that a lone thing has where it stands on a ground."""


def pairs(place, names):
    """The arrangements in a scene, each (place, thing, thing): what training may have seen or not."""
    if place == "row":
        return [("left", names[0], names[1]), ("left", names[1], names[2]), ("left", names[0], names[2])]
    if place == "crowd":
        return [("left", names[0], names[1]), ("above", names[2], names[0]), ("above", names[2], names[1])]
    return [(place, *names)] if len(names) == 2 else []


def held_out(place, names, one_in):
    """True where a training must not see this scene: by a checksum of the arrangements' words."""
    return any(zlib.crc32(" ".join(pair).encode()) % one_in == 0 for pair in pairs(place, names))


def allowed(place, count_from):
    """For each thing of a place, the names that may stand there; `count_from` is the [things] table of scenes.toml."""
    anything = count_from["in_scenes"]
    if place == "on":
        return count_from["riders"], count_from["carriers"]
    if place == "under":
        return count_from["sheltered"], count_from["covers"]
    if place == "wearing":
        return count_from["wearers"], count_from["hats"]
    return tuple(anything for _ in range(PLACES[place]))


def top_at(alpha, share=0.12):
    """The first opaque row in the middle columns of a drawing's alpha [H, W]."""
    middle, half = alpha.shape[1] // 2, max(1, round(alpha.shape[1] * share))
    rows = np.flatnonzero((alpha[:, middle - half : middle + half + 1] > 0.5).any(1))
    return int(rows[0]) if len(rows) else 0


def corners(place, sprites, size, on_ground, jitter):
    """Left and top of each sprite [H, W, 4] in pixels, as ints; `jitter` [things, 2] in shares of the side."""
    found = {}
    spots = SPOTS[place]
    resting = RESTING.get(place)
    for number in [n for n in range(len(sprites)) if n != resting] + ([resting] if resting is not None else []):
        height, width = sprites[number].shape[:2]
        spot = spots[number]
        left = (spot.across + jitter[number][0]) * size - width / 2
        stands = on_ground and number in STANDING.get(place, range(len(sprites)))
        top = spot.foot * size - height if stands else spot.down * size - height / 2
        top += jitter[number][1] * size
        if number == resting:
            below = 1 - number
            x, y = found[below]
            left = x + sprites[below].shape[1] / 2 + jitter[number][0] * size / 2 - width / 2
            sunk = 0.25 if place == "wearing" else 0.08
            top = max(y + top_at(sprites[below][..., 3]) - height * (1 - sunk), 0.01 * size)
        found[number] = (round(left), round(top))
    return [found[number] for number in range(len(sprites))]
