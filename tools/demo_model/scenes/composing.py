"""Composes scenes from drawings: a plan says what is where, `render` draws it, and the truth comes with the picture."""

from dataclasses import dataclass

import numpy as np

from scenes import backgrounds, places
from scenes.colours import COLOURS, named

VISIBLE = 0.3
"""Between a thing's mean colour and its background's, in the channel in which they differ most."""


@dataclass(frozen=True)
class Thing:
    """A thing's canonical name, and the colour it is turned into ("": as drawn)."""

    name: str
    colour: str = ""


@dataclass(frozen=True)
class Plan:
    """What a scene shows; `place` and the order of the things are those of places.PLACES."""

    things: tuple[Thing, ...]
    place: str = "alone"
    background: str = "white"
    style: str = "noto"


@dataclass(frozen=True)
class Scene:
    """A picture and its truth: `pixels` uint8 [size, size, 3]; of each thing what is seen of it, `masks` bool [things, size, size],

    and its whole `boxes` int [things, 4]: left, top, right, bottom in pixels; `bare` is the background alone, uint8 like `pixels`.
    """

    plan: Plan
    pixels: np.ndarray
    masks: np.ndarray
    boxes: np.ndarray
    bare: np.ndarray


class Composer:
    """Draws scenes of `drawings` as scenes.toml says; everything comes from the generators that callers hand in."""

    def __init__(self, drawings, config):
        self.drawings, self.config = drawings, config
        table = config["things"]
        self.things = {key: [name for name in names if name in drawings.names] for key, names in table.items()}
        self.places = {
            place: share
            for place, share in config["shares"]["places"].items()
            if place == "alone" or (all(self._choices(place)) and len(self.things["in_scenes"]) >= places.PLACES[place])
        }

    def _choices(self, place):
        return places.allowed(place, self.things)

    def plan(self, rng, held_out=False, place=None):
        """A random plan whose arrangements no training sees (`held_out`) or all may see; `place`: of this kind only."""
        place = place or backgrounds.pick(self.places, rng)
        shares = self.config["shares"]
        names = [str(rng.choice(self.drawings.names))] if place == "alone" else self._names(place, rng, held_out)
        coloured = [name in self.things["recoloured"] and rng.random() < shares["coloured"] for name in names]
        colours = list(COLOURS)
        things = tuple(Thing(name, str(rng.choice(colours)) if turned else "") for name, turned in zip(names, coloured, strict=True))
        style = str(rng.choice(self.drawings.styles))
        return Plan(things, place, self.background(things, style, rng), style)

    def background(self, things, style, rng):
        """The name of a random background on which all the things are seen."""
        while True:
            name = backgrounds.draw_name(self.config["shares"]["backgrounds"], rng)
            kind, colour = backgrounds.kinds(name)
            if kind not in ("plain", "gradient"):
                return name
            apart = [np.abs(self.drawings.mean_colour(thing.name, style, thing.colour) - named(colour)).max() for thing in things]
            if min(apart) > VISIBLE:
                return name

    def _names(self, place, rng, held_out):
        choices = self._choices(place)
        for _ in range(10000):
            names = [str(options[rng.integers(len(options))]) for options in choices]
            if len(set(names)) == len(names) and places.held_out(place, names, self.config["held_out_one_in"]) == held_out:
                return names
        raise ValueError(f"no arrangement of {place!r} is {'held out' if held_out else 'left'} among {choices}")

    def render(self, plan, rng):
        """The scene of a plan. What `rng` decides does not depend on which things there are, so an edited plan keeps the rest as it was."""
        size, count = self.config["size"], places.PLACES[plan.place]
        growth, jitter = np.exp(rng.uniform(-0.06, 0.04, 3)), rng.uniform(-0.02, 0.02, (3, 2))
        flipped = rng.random(3) < self.config["shares"]["flipped"]
        bare = backgrounds.draw(plan.background, size, rng)
        on_ground = backgrounds.kinds(plan.background)[0] in backgrounds.GROUNDS
        sprites = []
        for number in range(count):
            longest = places.SPOTS[plan.place][number].longest * growth[number]
            longest *= places.STEADY if on_ground and plan.place == "alone" else 1
            thing = plan.things[number]
            sprites.append(self.drawings.sized(thing.name, plan.style, thing.colour, round(longest * size), bool(flipped[number])))
        corners = places.corners(plan.place, sprites, size, on_ground, jitter)
        pixels, masks, boxes = bare.copy(), np.zeros((count, size, size), bool), np.zeros((count, 4), int)
        for number in places.ORDER.get(plan.place, range(count)):
            height, width = sprites[number].shape[:2]
            left, top = corners[number]
            box = max(left, 0), max(top, 0), min(left + width, size), min(top + height, size)
            seen = sprites[number][box[1] - top : box[3] - top, box[0] - left : box[2] - left]
            alpha = seen[..., 3:]
            part = slice(box[1], box[3]), slice(box[0], box[2])
            pixels[part] += (seen[..., :3] - pixels[part]) * alpha
            masks[(slice(None), *part)] &= alpha[..., 0] <= 0.5
            masks[(number, *part)] = alpha[..., 0] > 0.5
            boxes[number] = box
        return Scene(plan, to_bytes(pixels), masks, boxes, to_bytes(bare))

    def draw(self, rng, held_out=False, place=None):
        """A random scene."""
        return self.render(self.plan(rng, held_out, place), rng)


def to_bytes(pixels):
    return (pixels.clip(0, 1) * 255 + 0.5).astype(np.uint8)
