"""Measures the exported scene model: things in their places on arrangements that no training saw, colours, single things, autoencoder, memory.

Writes scene_measurements.md, scene_measurements.csv, scene_things.csv (what of each thing is right) and sheets.
"""

import argparse
import csv
import logging
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

import scene_judge
from classifier import shrink
from exported import Exported
from scenes import backgrounds, phrases, places
from scenes.composing import Plan, Thing
from settings import build_folder
from sheets import save_rows
from shipped import NAME, checkpoint
from train_autoencoder import psnr, reconstruct
from train_scene_autoencoder import held_out_scenes
from train_scenes import prepare, to_pixels

log = logging.getLogger("measure")


def sample(model, prompts, seeds, settings, size):
    """Pixels [n, 3, size, size] in -1..1, one picture per prompt, by the host's euler sampler."""
    import comfy.sample

    parts = []
    for start in range(0, len(prompts), settings["batch"]):
        own, numbers = prompts[start : start + settings["batch"]], seeds[start : start + settings["batch"]]
        noise = torch.stack([torch.randn(4, size // 8, size // 8, generator=torch.Generator().manual_seed(seed)) for seed in numbers])
        texts = model.encode(own), model.encode([""])
        steps = settings["steps"], settings["guidance"], "euler", "normal"
        latents = comfy.sample.sample(model.model, noise, *steps, *texts, torch.zeros_like(noise), seed=0, disable_pbar=True)
        parts.append(model.decode(latents))
        log.info("%d of %d samples", start + len(own), len(prompts))
    return torch.cat(parts)


def plans_of(composer, words, settings):
    """(plans and captions of held-out arrangements in all places; of each thing alone)."""
    kinds = [place for place in composer.places if place != "alone"]
    generators = [np.random.default_rng([settings["seed"], number]) for number in range(settings["scenes"])]
    scenes = [composer.plan(rng, held_out=True, place=kinds[number % len(kinds)]) for number, rng in enumerate(generators)]
    singles = [
        Plan((Thing(name),), style=composer.drawings.styles[seed % len(composer.drawings.styles)])
        for name in composer.drawings.names
        for seed in range(settings["seeds"])
    ]

    def said(plan, number):
        return phrases.text(phrases.caption(plan, words.names, words.uncounted, styled=number % 2 == 1))

    return [(plan, said(plan, number)) for number, plan in enumerate(scenes)], [(plan, said(plan, n)) for n, plan in enumerate(singles)]


def judge_scenes(verdict, plans):
    """Measure -> list of hits over scenes or things; the places apart too."""
    hits = defaultdict(list)
    for number, plan in enumerate(plans):
        present = [verdict.present(number, thing.name) for thing in plan.things]
        hits["things present"] += present
        hits["scenes with all things in the right place"].append(verdict.in_place(number, plan))
        hits[f"... {plan.place}"].append(verdict.in_place(number, plan))
        hits["backgrounds"].append(verdict.background(number) == backgrounds.kinds(plan.background)[0])
        for thing, there in zip(plan.things, present, strict=True):
            if thing.colour:
                right = there and verdict.colour(number, thing.name) == thing.colour
                hits["things there and in their colour"].append(right)
                if there:
                    hits["colours of things that are there"].append(right)
    return hits


def nearest(pixels, plans, composer, count):
    """Root mean square difference (values in 0..1, 64 pixels) of each picture to the most similar of `count` training scenes of its plan."""
    found = []
    for number, (picture, plan) in enumerate(zip(pixels, plans, strict=True)):
        scenes = [
            composer.render(plan_in(plan, style), np.random.default_rng([99, number, turn]))
            for style in composer.drawings.styles
            for turn in range(count)
        ]
        others = shrink(to_pixels(scenes)).flatten(1) / 2
        own = shrink(picture[None]).flatten(1) / 2
        found.append((torch.cdist(own, others) / own.shape[1] ** 0.5).min().item())
    return torch.tensor(found)


def plan_in(plan, style):
    return Plan(plan.things, plan.place, plan.background, style)


def among_training(plans, composer, count):
    """nearest() of training scenes to others of their plan: what a picture differs by where nothing is remembered but the drawings."""
    fresh = to_pixels([composer.render(plan, np.random.default_rng([98, number])) for number, plan in enumerate(plans)])
    return nearest(fresh, plans, composer, count)


def seconds_for_50_steps(model, size, settings):
    few, many = settings | {"steps": 2}, settings | {"steps": 50}
    sample(model, ["a house"], [0], few, size)
    began = time.perf_counter()
    sample(model, ["a house"], [0], many, size)
    return time.perf_counter() - began


def write(folder, table, things):
    with (folder / "scene_measurements.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("measure", "value"), *table])
    lines = ["| measure | value |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in table)]
    (folder / "scene_measurements.md").write_text("\n".join(lines) + "\n")
    with (folder / "scene_things.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("thing", "alone: top-1", "in scenes: present"), *things])


def share(hits):
    return f"{100 * np.mean(hits):.1f} %, n = {len(hits)}" if hits else "none"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="measure the smoke test's model")
    parser.add_argument("--file", type=Path, help="instead of the exported model of the build folder, or the one in git")
    arguments = parser.parse_args()
    folder = build_folder(arguments.smoke)
    config, composer, words = prepare(arguments.smoke)
    settings, size = config["measure"], config["size"]
    path = arguments.file or checkpoint(folder, NAME)
    model = Exported(path)
    judge, truth, facts = scene_judge.load(scene_judge.file_of(arguments.smoke))
    scenes, singles = plans_of(composer, words, settings)
    if arguments.smoke:
        singles = singles[:4]
    numbers = list(range(len(scenes)))
    pixels = sample(model, [said for _, said in scenes], numbers, settings, size)
    alone = sample(model, [said for _, said in singles], [n % settings["seeds"] for n in range(len(singles))], settings, size)
    plans = [plan for plan, _ in scenes]
    verdict, lone = scene_judge.Verdict(judge, truth, pixels), scene_judge.Verdict(judge, truth, alone)
    hits = judge_scenes(verdict, plans)
    right = [lone.top(number) == plan.things[0].name for number, (plan, _) in enumerate(singles)]
    held_out = held_out_scenes(composer, 8 if arguments.smoke else 200)
    quality = psnr(reconstruct(model.autoencoder, held_out, torch.device("cpu")), held_out)
    known = [composer.plan(np.random.default_rng([97, number])) for number in range(4 if arguments.smoke else 100)]
    drawn = sample(
        model, [phrases.text(phrases.caption(plan, words.names, words.uncounted)) for plan in known], numbers[: len(known)], settings, size
    )
    closest, usual = nearest(drawn, known, composer, 8), among_training(known, composer, 8)
    table = [(f"samples of held-out arrangements: {key}", share(values)) for key, values in hits.items()]
    table += [("samples of single things: top-1", share(right))]
    table += [(f"judge: {key}", f"{value:.3f}") for key, value in facts["accuracy"].items()]
    table += [
        ("autoencoder: PSNR of held-out scenes, mean (lowest tenth below)", f"{quality.mean():.2f} dB ({quality.quantile(0.1):.2f})"),
        ("sample to the nearest of 24 training scenes of its caption, median RMS difference", f"{closest.median():.3f}"),
        ("the same of a fresh training scene", f"{usual.median():.3f}"),
        ("samples nearer to one than half of the fresh scenes are", f"{100 * (closest < usual.median()).float().mean():.0f} %"),
        (f"seconds for 50 steps, one picture, {torch.get_num_threads()} threads", f"{seconds_for_50_steps(model, size, settings):.1f}"),
        ("scenes seen in training", str(model.config["trained_scenes"])),
        ("scenes seen by the autoencoder in training", str(model.config["autoencoder_pictures"])),
        ("arrangements held out", f"one in {config['held_out_one_in']}, of {len(places.PLACES) - 1} places"),
        ("size of the file", f"{path.stat().st_size / 1e6:.2f} MB"),
    ]
    in_scenes = defaultdict(list)
    for number, plan in enumerate(plans):
        for thing in plan.things:
            in_scenes[thing.name].append(verdict.present(number, thing.name))
    by_name = defaultdict(list)
    for (plan, _), hit in zip(singles, right, strict=True):
        by_name[plan.things[0].name].append(hit)
    things = [(name, f"{np.mean(own):.2f}", f"{np.mean(in_scenes[name]):.2f}" if in_scenes[name] else "") for name, own in by_name.items()]
    write(folder, table, things)
    for number, part in enumerate(pixels.split(48)):
        save_rows(folder / f"scenes-{number + 1}.png", list(part.split(8)))
    for number, part in enumerate(alone.split(96)):
        save_rows(folder / f"things-{number + 1}.png", list(part.split(12)))
    for name, value in table:
        log.info("%s: %s", name, value)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
