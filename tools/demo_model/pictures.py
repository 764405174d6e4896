"""The rendered emoji as training pictures: cut out, moved, scaled, recoloured, put on a background."""

import json
import math
import zlib

import numpy as np
import torch
from PIL import Image

from settings import read_concepts


def load_pictures(folder, settings):
    """(pictures uint8 [n, frame, frame, 4] read from disk on demand, their rows: label, set, concept, held_out).

    Held out are whole emoji, in all sets, chosen by a checksum of their label; never one that prompts can name.
    """
    concepts = {label.lower() for label in read_concepts()}
    rows = json.loads((folder / "pictures.json").read_text())
    for row in rows:
        row["concept"] = row["label"] in concepts
        row["held_out"] = not row["concept"] and zlib.crc32(row["label"].encode()) % settings["held_out_one_in"] == 0
    return np.load(folder / "pictures.npy", mmap_mode="r"), rows


def cut(picture, settings, scale=1.0, shift=(0.0, 0.0), flip=False, size=None):
    """One view of a drawing, float [4, size, size] in 0..1 (RGBA).

    `scale` above 1 enlarges the drawing; `shift` is in shares of the picture's side.
    """
    frame, size = settings["frame"], size or settings["size"]
    side = min(settings["view"] / scale, frame)
    room = (frame - side) / 2
    left, top = (min(max(room - offset * side, 0.0), 2 * room) for offset in shift)
    view = Image.fromarray(picture).resize((size, size), Image.LANCZOS, box=(left, top, left + side, top + side))
    tensor = torch.from_numpy(np.asarray(view).copy()).permute(2, 0, 1).float() / 255  # HWC -> CHW
    return tensor.flip(2) if flip else tensor


def hue_rotation(angle):
    """[3, 3] matrices that turn colours about the grey axis by `angle` (radians, [B]); greys and white stay."""
    axis = torch.full((3,), 1 / math.sqrt(3))
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    return cos * torch.eye(3) + sin * cross + (1 - cos) * torch.outer(axis, axis)


def compose(views, background=None, hue=None):
    """Lays RGBA views [B, 4, H, W] in 0..1 on a background colour ([B, 3] in 0..1, white by default): pixels in -1..1."""
    colour, alpha = views[:, :3], views[:, 3:]
    if hue is not None:
        colour = torch.einsum("bij,bjhw->bihw", hue_rotation(hue), colour).clamp(0, 1)
    if background is None:
        background = torch.ones(len(views), 3)
    return (colour * alpha + background[:, :, None, None] * (1 - alpha)) * 2 - 1


def random_views(pictures, chosen, settings, rng, strength=1.0, backgrounds=0.0, size=None):
    """Augmented pixels [B, 3, size, size] in -1..1 of the chosen pictures.

    `strength` scales shift, zoom and hue; `backgrounds` is the share of pictures on a colour other than white.
    """
    views = []
    for i in chosen:
        scale = math.exp(strength * rng.uniform(-0.15, 0.15))
        shift = strength * rng.uniform(-0.08, 0.08, 2)
        views.append(cut(pictures[i], settings, scale, shift, rng.random() < 0.5, size))
    count = len(views)
    hue = torch.from_numpy(strength * rng.normal(0, 0.25, count)).float()
    background = torch.ones(count, 3)
    coloured = torch.from_numpy(rng.random(count) < backgrounds)
    background[coloured] = torch.from_numpy(rng.random((count, 3))).float()[coloured]
    return compose(torch.stack(views), background, hue)


def plain_views(pictures, chosen, settings, size=None):
    """The chosen pictures as they are, on white: pixels [B, 3, size, size] in -1..1."""
    return compose(torch.stack([cut(pictures[i], settings, size=size) for i in chosen]))
