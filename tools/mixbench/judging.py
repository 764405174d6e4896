"""Says what a picture shows: by a network of ours that never saw the sampler, or by the user's own CLIP. Pictures are `[3, H, W]` in 0..1."""

import sys
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from cases import Case
from PIL import Image
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "figures"))  # before tools/demo_model, which has a judge too
sys.path.append(str(Path(__file__).resolve().parents[2]))

from scenes.colours import COLOURS, distance, to_hsv

from magicmix_core.similarity import structure_distance

WHOLE = 0.5
"""A likeness above which a thing counts as drawn."""
ALIKE = 0.1
"""By how much the best place may exceed a thing's own: boxes of things that stand on or under one another overlap."""


class Judge(Protocol):
    def likeness(self, pictures: list[Tensor], name: str) -> list[float]:
        """How much each picture of one thing, of any size, looks like a thing: 1 like the thing itself, 0 like another."""

    def places(self, picture: Tensor, boxes: np.ndarray, name: str) -> list[float]:
        """How much each box `[left, top, right, bottom]` of a scene, in pixels, shows a thing, 0 to 1."""


class OwnJudge:
    """Two networks that never saw a sampler: the classifier of `make figures` reads one thing alone, the judge of scenes what is where."""

    def __init__(self):
        import judge
        import scene_judge

        self.judge = judge.Judge()
        scenes, truth, _ = scene_judge.load()
        self.verdict = partial(scene_judge.Verdict, scenes, truth)

    def likeness(self, pictures: list[Tensor], name: str) -> list[float]:
        squares = torch.stack([square(picture, 128) for picture in pictures])
        return self.judge.similarity(squares, [name] * len(pictures)).clamp(0, 1).tolist()

    def places(self, picture: Tensor, boxes: np.ndarray, name: str) -> list[float]:
        verdict = self.verdict(picture[None] * 2 - 1)
        return [verdict.score(0, name, box) for box in boxes]


class ClipJudge:
    """CLIP through the host: a picture's likeness to a thing's words, against that to other things' words."""

    def __init__(self, vision: str, text: str, names: list[str]):
        import comfy.clip_vision
        import comfy.sd

        self.vision = comfy.clip_vision.load(vision)
        clip = comfy.sd.load_clip([text])
        self.names = names
        pooled = torch.cat([clip.encode_from_tokens(clip.tokenize(f"a drawing of a {name}"), return_pooled=True)[1] for name in names])
        self.texts = torch.nn.functional.normalize(pooled.float().cpu(), dim=1)

    def likeness(self, pictures: list[Tensor], name: str) -> list[float]:
        squares = torch.stack([square(picture, 224) for picture in pictures])
        seen = self.vision.encode_image(squares.movedim(1, -1), crop=False)["image_embeds"].float().cpu()
        shares = (100 * torch.nn.functional.normalize(seen, dim=1) @ self.texts.T).softmax(1)
        return shares[:, self.names.index(name)].tolist()

    def places(self, picture: Tensor, boxes: np.ndarray, name: str) -> list[float]:
        return self.likeness([cut(picture, box) for box in boxes], name)


def square(picture: Tensor, side: int) -> Tensor:
    """The picture in the middle of a square of its own corner's colour, `[3, side, side]`."""
    height, width = picture.shape[1:]
    longest = max(height, width)
    canvas = picture[:, :1, :1].expand(3, longest, longest).clone()
    top, left = (longest - height) // 2, (longest - width) // 2
    canvas[:, top : top + height, left : left + width] = picture
    pixels = Image.fromarray((canvas.movedim(0, -1).numpy() * 255).round().astype(np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.asarray(pixels) / 255).float().movedim(-1, 0)


def cut(picture: Tensor, box: np.ndarray, rim: int = 2) -> Tensor:
    left, top, right, bottom = (int(edge) for edge in box)
    return picture[:, max(top - rim, 0) : bottom + rim, max(left - rim, 0) : right + rim]


def hue_share(picture: Tensor, mask: np.ndarray, colour: str) -> float:
    """Which share of the colourful pixels in a mask has the named colour's hue; 0 where hardly any is colourful."""
    hue, saturation, value = to_hsv(picture.movedim(0, -1).numpy().astype(float)[mask])
    strong = (saturation > 0.25) & (value > 0.2)
    if strong.mean() < 0.1:
        return 0.0
    return float((distance(hue[strong], COLOURS[colour][0]) < 0.08).mean())


def decibels(picture: Tensor, source: Tensor, kept: np.ndarray) -> float:
    """PSNR over the pixels to keep; 60 dB at most, where both are the same."""
    error = (picture - source).square().mean(0)[torch.from_numpy(kept)].mean().item()
    return float(-10 * np.log10(max(error, 1e-6)))


def halves(picture: Tensor) -> list[Tensor]:
    height, width = picture.shape[1:]
    return [picture[:, :, : width // 2], picture[:, :, width // 2 :], picture[:, : height // 2], picture[:, height // 2 :]]


def measure(judge: Judge, case: Case, picture: Tensor, source: Tensor, change: np.ndarray, boxes: np.ndarray) -> dict[str, float]:
    """What is measured of one edited picture; nan where a measure does not belong to the task.

    content: is it there, 0 to 1. kept, structure: PSNR in dB and structure distance to the source outside of where the edit may change
    it. place: 1 where the new thing is drawn in its place, and not more clearly in another's. both: 1 where both things are drawn whole, side by
    side. balance: the smaller of content and likeness to the layout (of the layout's thing in a mix, else of the structure).
    """
    name, kept = case.thing.name, ~change
    patched = torch.where(torch.from_numpy(kept), picture, source)
    structure = float(structure_distance(patched[None], source[None]))
    found = {"kept": decibels(picture, source, kept), "structure": structure, "place": np.nan, "both": np.nan}
    if case.task == "mix":
        (content,), (layout,) = judge.likeness([picture], name), judge.likeness([picture], case.source.things[0].name)
        new, old = (judge.likeness(halves(picture), each) for each in (name, case.source.things[0].name))
        found["both"] = float(any(new[n] > WHOLE and old[n ^ 1] > WHOLE for n in range(4)))
        found["kept"] = decibels(picture, source, np.ones_like(kept))
        found["structure"] = float(structure_distance(picture[None], source[None]))
        return found | {"content": content, "balance": min(content, layout), "layout": layout}
    if case.task == "recolour":
        content = hue_share(picture, change, case.thing.colour)
    else:
        scores = judge.places(picture, boxes, name)
        content = scores[case.edited] if case.task != "remove" else 1 - scores[case.edited]
        if case.task != "remove":
            found["place"] = float(scores[case.edited] > max(WHOLE, max(scores) - ALIKE))
    layout = max(0.0, 1 - 2 * structure)
    return found | {"content": content, "balance": min(content, layout), "layout": layout}
