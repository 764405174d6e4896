"""Trains the judge of scenes on composed ones, roughened, and tries it on arrangements that it never saw and on a drawing set by other hands."""

import argparse
import logging

import numpy as np
import torch
from torch.nn import functional as F

import scene_judge
from classifier import roughen
from export import half, write
from precision import autocast, pick_device
from scene_judge import UNKNOWN, Verdict
from scenes import backgrounds
from scenes.composing import Composer
from scenes.drawings import load_drawings
from settings import build_folder, read_config
from train_scenes import prepare, to_pixels

log = logging.getLogger("judge")


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


def train(judge, truth, composer, settings, device, seen):
    """`seen` is the number of pictures that the judge has seen already."""
    optimizer = torch.optim.AdamW(judge.parameters(), weight_decay=0.02)
    steps = settings["pictures"] // settings["batch"]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings["learning_rate"], steps)
    for step in range(steps):
        rng = np.random.default_rng([settings["seed"], seen // settings["batch"] + step])
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
    parser.add_argument("--further", action="store_true", help="go on from the judge that is there")
    arguments = parser.parse_args()
    smoke, device = arguments.smoke, pick_device()
    config, composer, _ = prepare(smoke)
    settings, view = config["judge"], read_config()["pictures"]
    more = {package: package for package in view["sets"] if package != settings["held_out_set"]}
    widely = Composer(load_drawings(build_folder(), view, more), config)  # one set more than prompts can name
    strangers = Composer(load_drawings(build_folder(), view, {settings["held_out_set"]: "unseen"}), config)
    torch.manual_seed(settings["seed"])
    if arguments.further:
        judge, truth, facts = scene_judge.load(scene_judge.file_of(smoke))
        seen = facts["pictures"]
    else:
        judge, truth = scene_judge.build(composer.drawings.names, settings["widths"])
        seen = 0
    train(judge.to(device).train(), truth, widely, settings, device, seen)
    judge = judge.cpu().eval()
    accuracy = assess(judge, truth, composer, strangers, 8 if smoke else 300)
    log.info("%s", {key: round(value, 3) for key, value in accuracy.items()})
    tensors = {f"judge.{key}": half(value) for key, value in judge.state_dict().items() if value.is_floating_point()}
    facts = {"things": truth.things, "widths": settings["widths"], "accuracy": accuracy, "pictures": seen + settings["pictures"]}
    path = scene_judge.file_of(smoke)
    write(path, tensors, facts)
    log.info("%s: %.2f MB", path.name, path.stat().st_size / 1e6)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
