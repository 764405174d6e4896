"""One page to look through a study: all pictures and all code in one file that asks no network for anything."""

import base64
import hashlib
import html
import io
import json
import re
import shlex
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from .rows import Table, labels
from .store import Store

PER_PART = 50
"""Large pictures to a part of the page, which is read when one of them is looked at."""
QUALITY, SMALL_QUALITY = 90, 80
SLOT = re.compile(r"<!--(\w+)-->")


Encoded = tuple[str, str | None]
"""A small picture and a large one, as base64; the large one is None where the small one is as large as it gets."""


def view(table: Table, store: Store, small_side: int, large_side: int) -> str:
    """The page's text: pictures of at most `small_side` pixels in its grid, and of `large_side` when they are clicked."""
    files = list(dict.fromkeys(cell.file for cell in table.cells if cell.file is not None))
    with ThreadPoolExecutor() as pool:
        pictures = list(pool.map(lambda file: encoded(store.folder / file, small_side, large_side), files))
    return page_of(table, store.read_manifest(), dict(zip(files, pictures, strict=True)))


def page_of(table: Table, manifest: Mapping, pictures: Mapping[str, Encoded]) -> str:
    """The page's text; `pictures` are by the cells' files."""
    once = all(large is None for _, large in pictures.values())
    content = _content(table, {file: place for place, file in enumerate(pictures)}, manifest) | {"perPart": 0 if once else PER_PART}
    small = [small for small, _ in pictures.values()]
    return _page(manifest["study"], content, small, [] if once else [large or small for small, large in pictures.values()])


def _content(table: Table, places: Mapping[str, int], manifest: Mapping) -> dict:
    names = list(table.axes)
    by_length = sorted(range(len(names)), key=lambda axis: -len(table.axes[names[axis]]))
    across = by_length[0]
    down = by_length[1] if len(names) > 1 and len(table.axes[names[by_length[1]]]) > 1 else -1
    positions = {name: {value: place for place, value in enumerate(values)} for name, values in table.axes.items()}
    errors = list(dict.fromkeys(cell.error for cell in table.cells if cell.error is not None))
    wrong = {error: place for place, error in enumerate(errors)}
    return {
        "title": f"{Path(manifest['study']).name}: {len(table.cells)} pictures",
        "axes": [
            {"name": name, "labels": labels(values), "values": [str(value) for value in values]} for name, values in table.axes.items()
        ],
        "x": across,
        "y": down,
        "cells": [
            [*(positions[name][cell.values[name]] for name in names), places.get(cell.file, -1), wrong.get(cell.error, -1)]
            for cell in table.cells
        ],
        "ids": [cell.id for cell in table.cells],
        "errors": errors,
        "again": shlex.join(manifest["again"]),
    }


def encoded(file: Path, small_side: int, large_side: int) -> Encoded:
    with Image.open(file) as picture:
        whole = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    if max(whole.size) <= small_side * 1.5:
        return _webp(whole, QUALITY), None
    return _webp(_at_most(whole, small_side), SMALL_QUALITY), _webp(_at_most(whole, large_side), QUALITY)


def _at_most(picture: Image.Image, side: int) -> Image.Image:
    small = picture.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return small


def _webp(picture: Image.Image, quality: int) -> str:
    output = io.BytesIO()
    picture.save(output, "WEBP", quality=quality, method=2)  # more effort: slower by far, no smaller
    return base64.b64encode(output.getvalue()).decode()


def _page(title: str, content: dict, small: list[str], large: list[str]) -> str:
    here = Path(__file__).parent
    style, script = ((here / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    policy = f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    parts = [large[first : first + PER_PART] for first in range(0, len(large), PER_PART)]
    slots = {
        "policy": html.escape(policy, quote=True),
        "title": html.escape(title),
        "style": style,
        "script": script,
        "data": _json(content),
        "small": _json(small),
        "large": "\n".join(
            f'<script id="large-{place}" type="text/plain">{chr(10).join(part)}</script>' for place, part in enumerate(parts)
        ),
    }
    # In one go: what is filled in is never looked at again.
    return SLOT.sub(lambda slot: slots[slot[1]], (here / "page.html").read_text(encoding="utf-8"))


def _json(value: object) -> str:
    """JSON that ends no script element, whatever texts are in it."""
    return (
        json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        .replace("<", "\\u003c")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
