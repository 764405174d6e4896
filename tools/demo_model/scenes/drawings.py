"""The drawings that scenes are made of, cropped to their outlines; recoloured ones are kept once made."""

import numpy as np
from PIL import Image

from pictures import load_pictures
from scenes.colours import recolour
from settings import read_concepts


class Drawings:
    """`originals`: (name, style) -> uint8 [H, W, 4], cropped to what is opaque."""

    def __init__(self, originals):
        self._kept = {(name, style, ""): Image.fromarray(crop(drawing)) for (name, style), drawing in originals.items()}
        self._sized, self._means = {}, {}
        self.names = list(dict.fromkeys(name for name, _ in originals))
        self.styles = list(dict.fromkeys(style for _, style in originals))

    def drawing(self, name, style, colour=""):
        """PIL picture (RGBA) of a thing as drawn, or turned into a named colour."""
        key = name, style, colour
        if key not in self._kept:
            self._kept[key] = Image.fromarray(recolour(np.asarray(self._kept[name, style, ""]), colour))
        return self._kept[key]

    def mean_colour(self, name, style, colour):
        """[3] in 0..1, over what is opaque."""
        key = name, style, colour
        if key not in self._means:
            drawing = np.asarray(self.drawing(*key))
            self._means[key] = drawing[drawing[..., 3] > 127, :3].mean(0) / 255
        return self._means[key]

    def sized(self, name, style, colour, longest, flipped):
        """float32 [H, W, 4] in 0..1 of the drawing with its longest side scaled to that many pixels; do not write into it."""
        key = name, style, colour, longest, flipped
        if key not in self._sized:
            if len(self._sized) > 20000:  # 100 MB or so
                self._sized.clear()
            drawing = self.drawing(name, style, colour)
            factor = longest / max(drawing.size)
            small = drawing.resize([max(1, round(edge * factor)) for edge in drawing.size], Image.Resampling.LANCZOS)
            values = np.asarray(small, dtype=np.float32) / 255
            self._sized[key] = np.ascontiguousarray(values[:, ::-1] if flipped else values).astype(np.float16)
        return self._sized[key].astype(np.float32)


def crop(drawing):
    """uint8 [H, W, 4] without the transparent rim."""
    rows, columns = (np.flatnonzero((drawing[..., 3] > 8).any(axis)) for axis in (1, 0))
    return np.ascontiguousarray(drawing[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def load_drawings(folder, view, sets=None):
    """The rendered drawings of all things that prompts can name; `sets`: package -> style, those of config.toml with a style where left out."""
    sets = sets or {package: style for package, style in view["sets"].items() if style}
    names = {label.lower(): names[0] for label, names in read_concepts(more=False).items()}
    pictures, rows = load_pictures(folder, view)
    chosen = {(names[row["label"]], sets[row["set"]]): i for i, row in enumerate(rows) if row["label"] in names and row["set"] in sets}
    complete = [name for name in names.values() if all((name, style) in chosen for style in sets.values())]
    return Drawings({(name, style): np.asarray(pictures[chosen[name, style]]) for name in complete for style in sets.values()})
