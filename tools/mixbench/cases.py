"""The edits of the benchmark: scenes composed by code, so that for each edit it is known what shall change, where, and what shall stay."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

sys.path.append(str(Path(__file__).resolve().parent.parent / "demo_model"))

from scenes import backgrounds, phrases, places
from scenes.colours import COLOURS
from scenes.composing import Composer, Plan, Scene, Thing
from scenes.drawings import Drawings
from scenes.settings import read_scenes
from settings import read_concepts, read_uncounted

FILE = Path(__file__).with_name("drawings.npz")
TASKS = ("mix", "swap", "add", "remove", "recolour", "real")
EXACT = ("mix", "real")
"""Tasks that start from a composed picture; the others start from one that the model draws."""
RIM = 0.03
"""How far beyond a composed thing's mask an edit may reach, in shares of the side."""
ROOM = 0.1
"""How far beyond a thing's box a drawn one may reach, in shares of the side: the model places it near there, not there."""

Setting = tuple[str, str]
"""A method and its strength, as the tables name them."""


@dataclass(frozen=True)
class Case:
    """An edit of `source` into `target`; the thing number `edited` is what changes (of `source` where it is removed, else of `target`)."""

    number: int
    task: str
    source: Plan
    target: Plan
    edited: int

    @property
    def seed(self) -> int:
        return 1000 + self.number

    @property
    def thing(self) -> Thing:
        """What is judged: the thing that comes, or that goes."""
        return (self.source if self.task == "remove" else self.target).things[self.edited]

    @property
    def texts(self) -> tuple[str, str]:
        return tuple(phrases.text(phrases.caption(plan, NAMES, UNCOUNTED)) for plan in (self.source, self.target))

    @property
    def words(self) -> str:
        """The words whose places may change, as local_blend takes them."""
        named = [self.thing.name]
        if self.task in ("swap", "real"):
            named.append(self.source.things[self.edited].name)
        return ", ".join(named)


NAMES = {names[0]: names for names in read_concepts(more=False).values()}
UNCOUNTED = read_uncounted()


def load_composer(side: int) -> Composer:
    """Scenes of `side` pixels of the drawings beside this file: one set, under the Apache licence (Noto)."""
    with np.load(FILE) as stored:
        originals = {(name, "noto"): stored[name] for name in stored.files}
    return Composer(Drawings(originals), read_scenes() | {"size": side})


def make_cases(composer: Composer, count: int) -> list[Case]:
    """`count` edits, the tasks in turn; the first ones are the same whatever the count."""
    return [make_case(composer, number, TASKS[number % len(TASKS)]) for number in range(count)]


def make_case(composer: Composer, number: int, task: str) -> Case:
    rng = np.random.default_rng([15, number])
    background = ("white", "plain:yellow", "grass", "plain:blue", "snow", "gradient:pink")[int(rng.integers(6))]

    def other_than(options: list[str], names: list[str]) -> Thing:
        return Thing(str(rng.choice([name for name in options if name not in names])))

    def scene(place: str) -> Plan:
        plan = composer.plan(rng, held_out=bool(rng.random() < 0.5), place=place)
        return replace(plan, things=tuple(replace(thing, colour="") for thing in plan.things), background=background)

    if task == "mix":
        names = composer.things["in_scenes"]
        source = Plan((other_than(names, []),), "alone", "white")
        target = replace(source, things=(other_than(names, [source.things[0].name]),))
        return Case(number, task, source, target, 0)
    if task in ("swap", "real"):
        source = scene(("left", "above", "on", "under")[int(rng.integers(4))])
        edited = 0 if source.place == "under" else int(rng.integers(len(source.things)))  # what shelters fills the picture
        options = places.allowed(source.place, composer.things)[edited]
        new = other_than(options, [thing.name for thing in source.things])
        things = tuple(new if place == edited else thing for place, thing in enumerate(source.things))
        return Case(number, task, source, replace(source, things=things), edited)
    if task in ("add", "remove"):
        more = scene(("crowd", "wearing")[int(rng.integers(2))])
        kept = 2 if more.place == "crowd" else 1
        less = replace(more, things=more.things[:kept], place="left" if kept == 2 else "alone")
        return Case(number, task, *((less, more) if task == "add" else (more, less)), kept)
    source = scene("left")
    edited = int(rng.integers(2))
    thing = other_than(composer.things["recoloured"], [thing.name for thing in source.things])
    things = [thing if place == edited else each for place, each in enumerate(source.things)]
    source = replace(source, things=tuple(things))
    things[edited] = replace(thing, colour=unlike(background, str(rng.choice(list(COLOURS)))))
    return Case(number, task, source, replace(source, things=tuple(things)), edited)


def unlike(background: str, colour: str) -> str:
    """The colour, or the next one where the background has it already, so that it would be found wherever one looks."""
    taken = ("green", "blue") if background == "grass" else backgrounds.kinds(background)
    order = list(COLOURS)
    first = order.index(colour)
    return next(each for each in order[first:] + order[:first] if each not in taken)


def compose(composer: Composer, case: Case) -> tuple[Scene, Scene]:
    """The scenes before and after the edit, alike in all that it leaves alone."""
    return tuple(composer.render(plan, np.random.default_rng([16, case.number])) for plan in (case.source, case.target))


def allowed_to_change(composer: Composer, case: Case) -> np.ndarray:
    """bool [side, side]: where the edit may change the picture. The thing's true mask and a rim; for drawn sources its box and room around."""
    side = composer.config["size"]
    mask = np.zeros((side, side), bool)
    for scene in compose(composer, case):
        if case.edited >= len(scene.masks):
            continue
        if case.task in EXACT:
            mask |= scene.masks[case.edited]
        else:
            room = round(side * ROOM)
            left, top, right, bottom = scene.boxes[case.edited]
            mask[max(top - room, 0) : bottom + room, max(left - room, 0) : right + room] = True
    if case.task not in EXACT:
        return mask
    grown = Image.fromarray((mask * 255).astype(np.uint8)).filter(ImageFilter.MaxFilter(2 * round(side * RIM) + 1))
    return np.asarray(grown) > 127


def boxes(composer: Composer, case: Case) -> np.ndarray:
    """int [things, 4]: left, top, right, bottom of the scene that has the judged thing."""
    before, after = compose(composer, case)
    return (before if case.task == "remove" else after).boxes
