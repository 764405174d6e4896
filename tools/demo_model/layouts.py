"""Draws the pictures that come with the pack: things alone, scenes and a sketch, all of the one set under the Apache licence (Noto).

Scenes are arrangements that no training sees.
"""

import logging

import numpy as np
from PIL import Image, ImageDraw

from scenes.composing import Plan, Thing
from scenes.places import held_out
from settings import build_folder
from train_scenes import prepare

log = logging.getLogger("layouts")
FINER = 4
"""The sketch is drawn so many times larger, then made smaller, which softens its edges."""
SKETCH = (
    ("rectangle", (0.0, 0.0, 1.0, 0.66), "#8fd0f5"),
    ("rectangle", (0.0, 0.64, 1.0, 1.0), "#6ab04c"),
    ("rectangle", (0.12, 0.52, 0.44, 0.84), "#d9a066"),
    ("polygon", (0.06, 0.54, 0.28, 0.3, 0.5, 0.54), "#c0392b"),
    ("rectangle", (0.70, 0.44, 0.76, 0.86), "#8e5a2b"),
    ("ellipse", (0.54, 0.18, 0.92, 0.52), "#2f8f46"),
)
"""Shapes from back to front, in shares of the side: sky, ground, walls, roof, trunk, leaves."""


def sketch(size):
    """A house and a tree of six shapes."""
    picture = Image.new("RGB", (size * FINER, size * FINER))
    pen = ImageDraw.Draw(picture)
    for shape, places, colour in SKETCH:
        getattr(pen, shape)([share * picture.width for share in places], fill=colour)
    return picture.resize((size, size), Image.Resampling.LANCZOS)


def save(pictures, folder):
    folder.mkdir(exist_ok=True)
    for name, picture in pictures.items():
        picture.save(folder / f"{name.replace(' ', '_')}.png")
    log.info("%d pictures in %s", len(pictures), folder)


def main():
    config, composer, _ = prepare(smoke=False)
    settings, folder = config["samples"], build_folder()

    def draw(things, place="alone", background="white"):
        if held_out(place, things, config["held_out_one_in"]) != (place != "alone"):
            raise ValueError(f"a training may have seen {place} {things}")
        plan = Plan(tuple(Thing(thing) for thing in things), place, background)
        return Image.fromarray(composer.render(plan, np.random.default_rng(0)).pixels)

    save({name: draw([name]) for name in settings["things"]}, folder / "layouts")
    scenes = {name: draw(things, place, background) for name, (place, background, *things) in settings["scenes"].items()}
    save(scenes | {"sketch": sketch(config["size"])}, folder / "scenes")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
