"""The judge of scenes: a small network that says, for each 8 x 8 pixels of a picture, which thing is seen there and in which colour.

It learns from composed scenes, roughened; it is tried on arrangements that it never saw, and on a drawing set by other hands.
"""

import argparse
import itertools
import logging

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import checkpoints
from classifier import block, roughen
from precision import autocast, pick_device
from scenes import backgrounds
from scenes.colours import COLOURS
from scenes.composing import Composer
from scenes.drawings import load_drawings
from scenes.places import RESTING
from settings import build_folder, read_config
from train_scenes import prepare, to_pixels

log = logging.getLogger("judge")
NAME = "scene_judge.pt"
UNKNOWN = -100  # the loss ignores it


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
        self.join = nn.Sequential(*block(joined, wide, 1), *block(wide, wide, 1), nn.Dropout(0.1))
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
        covered = F.avg_pool2d(masks, 8)
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

    def score(self, number, name):
        """How surely a thing is seen in a picture, 0 to 1: the mean likelihood of its eight best cells."""
        return self.seen[number, self.truth.things.index(name)].flatten().topk(8).values.mean().item()

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


def load(folder):
    """(SceneJudge, Truth, accuracies) as trained."""
    state = checkpoints.load(folder / NAME)
    if state is None:
        raise FileNotFoundError(f"{folder / NAME} is missing: run scene_judge.py first")
    truth = Truth(state["things"])
    judge = SceneJudge(len(truth.things), len(truth.colours), len(truth.kinds), state["widths"])
    judge.load_state_dict({key: value.float() if value.is_floating_point() else value for key, value in state["model"].items()})
    return judge.eval(), truth, state["accuracy"]


def agreement(judge, truth, scenes):
    """Accuracies on scenes whose truth is known: shares of things, scenes, colours, backgrounds that the judge reads rightly."""
    verdict = Verdict(judge, truth, to_pixels(scenes))
    things = [(number, thing) for number, scene in enumerate(scenes) for thing in scene.plan.things]
    coloured = [(number, thing) for number, thing in things if thing.colour]
    return {
        "things present": float(np.mean([verdict.present(number, thing.name) for number, thing in things])),
        "scenes in place": float(np.mean([verdict.in_place(number, scene.plan) for number, scene in enumerate(scenes)])),
        "colours": float(np.mean([verdict.colour(number, thing.name) == thing.colour for number, thing in coloured])) if coloured else 1.0,
        "backgrounds": float(
            np.mean([verdict.background(number) == backgrounds.kinds(scene.plan.background)[0] for number, scene in enumerate(scenes)])
        ),
    }


def assess(judge, truth, composer, strangers, count):
    """agreement() on held-out arrangements; on the unseen drawing set; and the share of things it sees that are not there."""
    found, scenes = {}, {}
    for label, source in (("held-out arrangements", composer), ("unseen drawings", strangers)):
        places = [place for place in source.places if place != "alone"]
        generators = [np.random.default_rng([88, number]) for number in range(count)]
        scenes[label] = [source.draw(rng, held_out=True, place=places[number % len(places)]) for number, rng in enumerate(generators)]
        alone = [source.draw(np.random.default_rng([89, number]), place="alone") for number in range(count)]
        verdict = Verdict(judge, truth, to_pixels(alone))
        found |= {f"{label}, {key}": value for key, value in agreement(judge, truth, scenes[label]).items()}
        right = [verdict.top(number) == scene.plan.things[0].name for number, scene in enumerate(alone)]
        found[f"{label}, single things top-1"] = float(np.mean(right))
    verdict = Verdict(judge, truth, to_pixels(scenes["held-out arrangements"]))
    false = [
        sum(verdict.present(number, name) for name in truth.things if name not in {thing.name for thing in scene.plan.things})
        for number, scene in enumerate(scenes["held-out arrangements"])
    ]
    return found | {"held-out arrangements, things seen that are not there, per scene": float(np.mean(false))}


def train(judge, truth, composer, settings, device):
    optimizer = torch.optim.AdamW(judge.parameters(), weight_decay=0.02)
    steps = settings["pictures"] // settings["batch"]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings["learning_rate"], steps)
    for step in range(steps):
        rng = np.random.default_rng([settings["seed"], step])
        scenes = [composer.draw(rng) for _ in range(settings["batch"])]
        pixels = to_pixels(scenes)
        if rng.random() < 0.5:  # other brightness and contrast: samples drift
            pixels = (pixels * rng.uniform(0.85, 1.1) + rng.uniform(-0.08, 0.08)).clamp(-1, 1)
        answers = zip(*(truth.cells(scene) for scene in scenes), strict=True)
        things, colours, kinds = (torch.stack(column) if torch.is_tensor(column[0]) else torch.tensor(column) for column in answers)
        with autocast(device):
            thing, colour, kind = judge(roughen(pixels, rng).to(device))
        weights = torch.ones(thing.shape[1], device=device)
        weights[0] = 0.3
        loss = F.cross_entropy(thing.float(), things.to(device), weights, ignore_index=UNKNOWN, label_smoothing=0.02)
        if (colours != UNKNOWN).any():
            loss = loss + 0.3 * F.cross_entropy(colour.float(), colours.to(device), ignore_index=UNKNOWN)
        loss = loss + 0.2 * F.cross_entropy(kind.float(), kinds.to(device))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            log.info("step %d of %d: loss %.3f", step + 1, steps, loss.item())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a few steps on a few pictures")
    smoke = parser.parse_args().smoke
    folder, device = build_folder(smoke), pick_device()
    config, composer, _ = prepare(smoke)
    settings, view = config["judge"], read_config()["pictures"]
    more = {package: package for package in view["sets"] if package != settings["held_out_set"]}
    widely = Composer(load_drawings(build_folder(), view, more), config)  # one set more than prompts can name
    strangers = Composer(load_drawings(build_folder(), view, {settings["held_out_set"]: "unseen"}), config)
    truth = Truth(composer.drawings.names)
    torch.manual_seed(settings["seed"])
    judge = SceneJudge(len(truth.things), len(truth.colours), len(truth.kinds), settings["widths"]).to(device)
    train(judge, truth, widely, settings, device)
    judge = judge.cpu().eval()
    accuracy = assess(judge, truth, composer, strangers, 8 if smoke else 300)
    log.info("%s", {key: round(value, 3) for key, value in accuracy.items()})
    state = {key: value.half() if value.is_floating_point() else value for key, value in judge.state_dict().items()}
    checkpoints.save(folder / NAME, model=state, accuracy=accuracy, things=truth.things, widths=settings["widths"])


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
