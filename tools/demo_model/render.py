"""Renders the emoji packages' SVG drawings into pictures.npy [n, frame, frame, 4] and pictures.json."""

import argparse
import io
import json
import logging
import re
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import resvg_py
from PIL import Image

from settings import build_folder, read_concepts, read_config

log = logging.getLogger("render")
OVERSAMPLING = 2


def slug(label):
    """The icon name that iconify derives from an emoji's label."""
    return re.sub(r"[^a-z0-9]+", "-", label.lower().replace("\u2019", "")).strip("-")


def read_icons(packages, name):
    """(icons, aliases, code point -> icon name, width, height) of one iconify package."""
    folder = packages / "@iconify-json" / name
    icons = json.loads((folder / "icons.json").read_text())
    characters = json.loads((folder / "chars.json").read_text())
    return icons["icons"], icons.get("aliases", {}), characters, icons.get("width", 16), icons.get("height", 16)


def find_svg(emoji, icons, aliases, characters, width, height):
    """The SVG text of an emoji in one set, or None where the set has no drawing of it."""
    code, name = emoji["hexcode"].lower(), slug(emoji["label"])
    stem = name.removesuffix("-face")
    candidates = [characters.get(code), characters.get(code.replace("-fe0f", "")), emoji.get("flat_name"), name, stem, stem + "-face"]
    for candidate in filter(None, candidates):
        while candidate in aliases:
            candidate = aliases[candidate]["parent"]
        if candidate in icons:
            icon = icons[candidate]
            left, top = icon.get("left", 0), icon.get("top", 0)
            w, h = icon.get("width", width), icon.get("height", height)
            return (
                '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
                f'viewBox="{left} {top} {w} {h}" width="{w}" height="{h}">{icon["body"]}</svg>'
            )
    return None


def draw(svg, frame, fill):
    """Renders one drawing, cropped to its outline and centred: uint8 [frame, frame, 4]; None for an empty drawing."""
    side = OVERSAMPLING * frame
    drawing = Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg, width=side, height=side)))).convert("RGBA")
    outline = drawing.getchannel("A").point(lambda alpha: 255 if alpha > 8 else 0).getbbox()
    if outline is None:
        return None
    drawing = drawing.crop(outline)
    factor = frame * fill / max(drawing.size)
    drawing = drawing.resize([max(1, round(edge * factor)) for edge in drawing.size], Image.LANCZOS)
    canvas = Image.new("RGBA", (frame, frame))
    canvas.paste(drawing, ((frame - drawing.width) // 2, (frame - drawing.height) // 2))
    return np.asarray(canvas)


def list_emoji(packages, groups, labels, limit):
    """The emoji to render, those a prompt can name first; with a limit, two thirds of it of those and one of others."""
    known = json.loads((packages / "emojibase-data" / "en" / "data.json").read_text())
    flat = read_icons(packages, "fluent-emoji-flat")[2]
    wanted = {label.lower() for label in labels}
    chosen = [emoji for emoji in known if emoji["label"].lower() in wanted or emoji.get("group") in groups]
    for emoji in chosen:
        emoji["flat_name"] = flat.get(emoji["hexcode"].lower()) or flat.get(emoji["hexcode"].lower().replace("-fe0f", ""))
    missing = wanted - {emoji["label"].lower() for emoji in chosen}
    if missing:
        raise ValueError(f"concepts.toml names emoji that emojibase does not know: {sorted(missing)}")
    chosen.sort(key=lambda emoji: emoji["label"].lower() not in wanted)
    others = limit // 3 if limit else 0
    return chosen[: limit - others] + chosen[-others:] if limit else chosen


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="render a few pictures only")
    smoke = parser.parse_args().smoke
    settings = read_config(smoke)["pictures"]
    concepts = {label.lower() for label in read_concepts()}
    packages = build_folder() / "node_modules"
    emoji = list_emoji(packages, settings["groups"], concepts, settings.get("limit"))

    drawings, rows = [], []
    for package in settings["sets"]:
        icons = read_icons(packages, package)
        found = [(one["label"].lower(), svg) for one in emoji if (svg := find_svg(one, *icons))]
        log.info("%s: %d drawings, missing concepts: %s", package, len(found), sorted(concepts - {label for label, _ in found}))
        drawings += [svg for _, svg in found]
        rows += [{"label": label, "set": package} for label, _ in found]
    with ProcessPoolExecutor() as pool:
        pictures = list(pool.map(partial(draw, frame=settings["frame"], fill=settings["fill"]), drawings, chunksize=16))
    kept = [i for i, picture in enumerate(pictures) if picture is not None]
    folder = build_folder(smoke)
    np.save(folder / "pictures.npy", np.stack([pictures[i] for i in kept]))
    (folder / "pictures.json").write_text(json.dumps([rows[i] for i in kept], indent=0))
    log.info("%d pictures", len(kept))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
