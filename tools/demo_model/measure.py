"""Measures the exported model: measurements.md and measurements.csv, and a sheet of every concept."""

import argparse
import csv
import logging
import time

import torch

import classifier
from captions import with_article
from exported import Exported
from pictures import load_pictures, plain_views
from settings import build_folder, read_config, read_uncounted
from sheets import save_rows
from shipped import TRANSFORMER, checkpoint
from train_autoencoder import psnr, reconstruct

log = logging.getLogger("measure")


def prompts_of(names, styles, seeds, uncounted):
    """One prompt per seed: without a style first, then with each style in turn; (prompt, style number or -1)."""
    plain = with_article(names[0], uncounted)
    choices = [(plain, -1)] + [(f"{plain}, {style} style", number) for number, style in enumerate(styles)]
    return [choices[seed % len(choices)] for seed in range(seeds)]


def draw_all(model, labels, known, settings, guidance):
    """Samples of every known concept and seed: dict of pixels [n, 3, 128, 128], concept and style numbers [n]."""
    uncounted = read_uncounted()
    jobs = []
    for concept in known:
        names = labels.names[concept]
        jobs += [
            (prompt, seed, concept, style)
            for seed, (prompt, style) in enumerate(prompts_of(names, labels.styles, settings["seeds"], uncounted))
        ]
    latents = []
    for start in range(0, len(jobs), settings["batch"]):
        part = jobs[start : start + settings["batch"]]
        latents.append(model.sample([job[0] for job in part], [job[1] for job in part], settings["steps"], guidance))
        log.info("%d of %d samples", start + len(part), len(jobs))
    numbers = torch.tensor([job[2:] for job in jobs])
    return {"pixels": model.decode(torch.cat(latents)), "concept": numbers[:, 0], "style": numbers[:, 1]}


def judge(judge_model, samples):
    """Shares of samples whose concept is first or among five, whose named style is right; and each sample's place."""
    small = classifier.shrink(samples["pixels"])
    places = classifier.ranks(judge_model, small, samples["concept"])
    with torch.no_grad():
        styles = torch.cat([judge_model(part)[1].argmax(1) for part in small.split(64)])
    named = samples["style"] >= 0
    return {
        "top-1": (places < 1).float().mean().item(),
        "top-5": (places < 5).float().mean().item(),
        "style": (styles == samples["style"])[named].float().mean().item(),
    }, places


def nearest(pixels, references, skip_self=False):
    """Root mean square difference (of values in 0..1, at 64 pixels) to the most similar reference, for each picture."""
    flat, others = (classifier.shrink(p).flatten(1) / 2 for p in (pixels, references))
    distances = torch.cdist(flat, others) / flat.shape[1] ** 0.5
    if skip_self:
        distances.fill_diagonal_(torch.inf)
    return distances.min(1).values


def seconds_for_50_steps(model):
    model.sample(["a house"], [0], 2, 4.0)
    began = time.perf_counter()
    model.sample(["a house"], [0], 50, 4.0)
    return time.perf_counter() - began


def write_table(folder, mark, rows):
    with (folder / f"measurements{mark}.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("measure", "value"), *rows])
    lines = ["| measure | value |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)]
    (folder / f"measurements{mark}.md").write_text("\n".join(lines) + "\n")


def write_concepts(folder, mark, labels, known, samples, places):
    """One row per concept, so that weak ones are seen: the share of its samples that are right."""
    with (folder / f"concepts{mark}.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["concept", "top-1", "top-5"])
        for number in known:
            own = places[samples["concept"] == number]
            writer.writerow([labels.names[number][0], f"{(own < 1).float().mean():.3f}", f"{(own < 5).float().mean():.3f}"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="measure the smoke test's model")
    parser.add_argument("--guidance", type=float, help="instead of config.toml's")
    parser.add_argument("--seeds", type=int, help="samples of each concept, instead of config.toml's")
    parser.add_argument("--network", choices=("unet", "transformer"), default="unet", help="which of the two files is measured")
    arguments = parser.parse_args()
    config, folder = read_config(arguments.smoke), build_folder(arguments.smoke)
    view, settings = config["pictures"], config["measure"]
    settings["seeds"] = arguments.seeds or settings["seeds"]
    guidance = arguments.guidance or settings["guidance"]
    labels, mark = classifier.Labels(view), "" if arguments.network == "unet" else f"-{arguments.network}"
    whole = checkpoint(folder)
    path = checkpoint(folder, TRANSFORMER) if mark else whole
    model = Exported(whole, path if mark else None)
    judge_model, trust = classifier.load(folder, labels)
    pictures, rows = load_pictures(folder, view)

    known = [number for number, names in enumerate(labels.names) if names[0] in model.config["concepts"]]
    samples = draw_all(model, labels, known, settings, guidance)
    shares, places = judge(judge_model, samples)
    styles = {name: style for name, style in view["sets"].items() if style}
    trained = plain_views(
        pictures, [i for i, row in enumerate(rows) if row["concept"] and row["set"] in styles and labels.concept(row) in known], view
    )
    held_out = plain_views(pictures, [i for i, row in enumerate(rows) if row["held_out"]], view)
    device = torch.device("cpu")
    quality, seen = (psnr(reconstruct(model.autoencoder, pixels, device), pixels) for pixels in (held_out, trained))
    closest, usual = nearest(samples["pixels"], trained), nearest(trained, trained, skip_self=True)
    table = [
        (f"samples: {key}, {len(places)} at guidance {guidance:g}, {settings['steps']} steps", f"{100 * value:.1f} %")
        for key, value in shares.items()
    ]
    table += [(f"classifier: {key}", f"{100 * value:.1f} %") for key, value in trust.items()]
    table += [
        (
            f"autoencoder: PSNR of {len(quality)} held-out pictures, mean (lowest tenth below)",
            f"{quality.mean():.2f} dB ({quality.quantile(0.1):.2f})",
        ),
        ("autoencoder: PSNR of the concepts' pictures", f"{seen.mean():.2f} dB"),
        ("sample to nearest training picture, median RMS difference", f"{closest.median():.3f}"),
        ("training picture to its nearest other, median RMS difference", f"{usual.median():.3f}"),
        ("samples closer than 0.08 to a training picture", f"{100 * (closest < 0.08).float().mean():.0f} %"),
        (f"seconds for 50 steps, one picture, {torch.get_num_threads()} threads", f"{seconds_for_50_steps(model):.1f}"),
        ("pictures seen in training", str(model.config["trained_pictures"])),
        ("size of the file", f"{path.stat().st_size / 1e6:.2f} MB"),
    ]
    write_table(folder, mark, table)
    write_concepts(folder, mark, labels, known, samples, places)
    by_concept = samples["pixels"].unflatten(0, (len(known), settings["seeds"]))
    for number, part in enumerate(by_concept.split(32)):
        save_rows(folder / f"concepts{mark}-{number + 1}.png", [row.flatten(0, 1) for row in part.split(2)])
    for name, value in table:
        log.info("%s: %s", name, value)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
