"""Draws sheets of mixes, layout picture then rising nu, and says how far the mixes are from every training picture."""

import argparse
import logging

import torch

import classifier
from captions import with_article
from encode_latents import encode
from exported import Exported
from measure import nearest
from pictures import load_pictures, plain_views
from settings import build_folder, read_config, read_uncounted
from sheets import save_rows
from shipped import checkpoint

log = logging.getLogger("mixes")


def find(rows, labels, name, package):
    """The number of the picture whose concept has this first name."""
    label = next(label for label, names in zip(labels.concepts, labels.names, strict=True) if names[0] == name)
    return next(i for i, row in enumerate(rows) if row["label"] == label and row["set"] == package)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="with the smoke test's model")
    smoke = parser.parse_args().smoke
    config, folder = read_config(smoke), build_folder(smoke)
    view, settings = config["pictures"], config["mixes"]
    labels, model = classifier.Labels(view), Exported(checkpoint(folder))
    pictures, rows = load_pictures(folder, view)
    uncounted = read_uncounted()
    layouts = plain_views(pictures, [find(rows, labels, layout, settings["set"]) for layout, _ in settings["pairs"]], view)
    prompts = [with_article(content, uncounted) for _, content in settings["pairs"]]
    latents = encode(model.autoencoder, layouts, torch.device("cpu"))
    styles = {name: style for name, style in view["sets"].items() if style}
    trained = plain_views(
        pictures,
        [
            i
            for i, row in enumerate(rows)
            if row["concept"] and row["set"] in styles and labels.names[labels.concept(row)][0] in model.config["concepts"]
        ],
        view,
    )

    columns = [layouts]
    for nu in settings["nu"]:
        with torch.no_grad():
            mixed = model.mix(prompts, latents, nu, steps=settings["steps"], k_min=settings["k_min"], k_max=settings["k_max"])
        columns.append(model.decode(mixed))
        log.info("nu %.2f: median distance to the nearest training picture %.3f", nu, nearest(columns[-1], trained).median())
    sheet = torch.stack(columns, 1)  # [pairs, columns, 3, 128, 128]
    for number, part in enumerate(sheet.split(20)):
        save_rows(folder / f"mixes-{number + 1}.png", [row.flatten(0, 1) for row in part.split(2)])


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
