"""The judge of scenes: a small network that says, for each 8 x 8 pixels of a picture, which thing is seen there and in which colour.

It is trained by train_scene_judge.py, which writes it beside the benchmark that it judges.
"""

import itertools
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from classifier import block
from exported import read_parts
from scenes import backgrounds
from scenes.colours import COLOURS
from scenes.places import RESTING
from settings import build_folder

SHIPPED = Path(__file__).resolve().parents[1] / "mixbench" / "scene_judge.safetensors"
UNKNOWN = -100  # the loss ignores it
CELL = 8
"""Pixels a side of what it judges."""
BEST = 8
"""Of how many cells, the most likely ones, a thing's score is the mean."""


class SceneJudge(nn.Module):
    """pixels [B, 3, H, W] in -1..1 -> logits of things [B, things + 1, H / 8, W / 8] (0: background), colours [B, colours, ...], backgrounds [B, kinds]."""

    def __init__(self, things, colours, kinds, widths):
        super().__init__()
        layers, before = [], 3
        for width in widths[:3]:
            layers += block(before, width, 2) + block(width, width, 1)
            before = width
        self.near = nn.Sequential(*layers)
        wide = widths[3]
        self.far = nn.Sequential(*block(before, wide, 2), *block(wide, wide, 1), *block(wide, wide, 2), *block(wide, wide, 1))
        joined = before + wide
        both = nn.Conv2d(joined, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU()
        self.join = nn.Sequential(*both, *block(wide, wide, 1), nn.Dropout(0.1))
        self.thing, self.colour = nn.Conv2d(wide, things + 1, 1), nn.Conv2d(wide, colours, 1)
        self.background = nn.Linear(joined, kinds)

    def forward(self, pixels):
        near = self.near(pixels)
        far = F.interpolate(self.far(near), near.shape[-2:], mode="bilinear")
        both = torch.cat([near, far], 1)
        cells = self.join(both)
        return self.thing(cells), self.colour(cells), self.background(both.mean((2, 3)))


class Truth:
    """The answers the judge should give, by number."""

    def __init__(self, things):
        self.things, self.colours, self.kinds = list(things), list(COLOURS), list(backgrounds.WORDS)

    def cells(self, scene):
        """(things int64 [h, w], colours int64 [h, w], background) of a scene; unsure cells are UNKNOWN."""
        masks = torch.from_numpy(scene.masks).float()
        covered = F.avg_pool2d(masks, CELL)
        share, which = covered.max(0)
        numbers = torch.tensor([self.things.index(thing.name) + 1 for thing in scene.plan.things])
        colours = torch.tensor([self.colours.index(thing.colour) if thing.colour else UNKNOWN for thing in scene.plan.things])
        things = torch.where(share > 0.5, numbers[which], torch.where(covered.sum(0) < 0.25, 0, UNKNOWN))
        return things, torch.where(share > 0.5, colours[which], UNKNOWN), self.kinds.index(backgrounds.kinds(scene.plan.background)[0])


class Verdict:
    """What the judge sees in pictures [B, 3, H, W] in -1..1: `seen` [B, things, h, w], the likelihood of each thing in each cell."""

    @torch.no_grad()
    def __init__(self, judge, truth, pixels):
        answers = [judge(part) for part in pixels.split(32)]
        logits, colours, kinds = (torch.cat(column) for column in zip(*answers, strict=True))
        self.truth = truth
        self.seen, self.colours, self.kinds = logits.softmax(1)[:, 1:], colours.log_softmax(1), kinds.argmax(1)

    def score(self, number, name, box=None):
        """How surely a thing is seen in a picture, or in a box of it in pixels (left, top, right, bottom), 0 to 1."""
        left, top, right, bottom = (0, 0, None, None) if box is None else (max(int(edge), 0) // CELL for edge in box)
        seen = self.seen[number, self.truth.things.index(name), top : bottom and bottom + 1, left : right and right + 1].flatten()
        return seen.topk(min(BEST, len(seen))).values.mean().item()

    def present(self, number, name):
        return self.score(number, name) > 0.5

    def middle(self, number, name):
        """(across, down) of what is seen of a thing, in shares of the side."""
        weights = self.seen[number, self.truth.things.index(name)]
        weights = weights * (weights > 0.3) + 1e-9
        height, width = weights.shape
        down, across = weights.sum(1) / weights.sum(), weights.sum(0) / weights.sum()
        return (across @ (torch.arange(width) + 0.5)).item() / width, (down @ (torch.arange(height) + 0.5)).item() / height

    def colour(self, number, name):
        """The colour that is most likely over what is seen of a thing."""
        weights = self.seen[number, self.truth.things.index(name)]
        return self.truth.colours[int((self.colours[number] * weights).sum((1, 2)).argmax())]

    def top(self, number):
        """The thing that fills most of a picture."""
        return self.truth.things[int(self.seen[number].sum((1, 2)).argmax())]

    def background(self, number):
        return self.truth.kinds[int(self.kinds[number])]

    def in_place(self, number, plan):
        """True where all things are seen and stand to one another as the plan says."""
        names = [thing.name for thing in plan.things]
        if not all(self.present(number, name) for name in names):
            return False
        across, down = zip(*(self.middle(number, name) for name in names), strict=True)
        between = 0.04  # of the side, half a cell
        if plan.place in ("left", "row"):
            return all(right - left > between for left, right in itertools.pairwise(across))
        if plan.place == "crowd":
            return across[1] - across[0] > between and min(down[:2]) - down[2] > between
        if plan.place == "under":
            return down[0] - down[1] > between
        if plan.place == "alone":
            return True
        upper = RESTING.get(plan.place, 0)
        return down[1 - upper] - down[upper] > between


def build(things, widths):
    """(SceneJudge, Truth) of these things."""
    truth = Truth(things)
    return SceneJudge(len(truth.things), len(truth.colours), len(truth.kinds), widths), truth


def file_of(smoke):
    """Where the judge is written; the smoke test's is nobody's judge."""
    return build_folder(smoke=True) / SHIPPED.name if smoke else SHIPPED


def load(file=SHIPPED):
    """(SceneJudge, Truth, facts) as trained; the facts are its things, its accuracy and how many pictures it has seen."""
    facts, parts = read_parts(file)
    judge, truth = build(facts["things"], facts["widths"])
    judge.load_state_dict(parts["judge"], strict=False)  # how many batches its norms saw is not stored
    return judge.eval(), truth, facts
