"""Encodes the concepts' pictures, plain and in augmented views, into latents.pt: by the autoencoder trained here, else the shipped one."""

import argparse
import logging

import numpy as np
import torch

import checkpoints
from autoencoder import SCALE, Autoencoder
from pictures import load_pictures, plain_views, random_views
from precision import pick_device
from settings import build_folder, read_concepts, read_config
from shipped import shipped_autoencoder

log = logging.getLogger("latents")


def averaged_autoencoder(config, saved):
    """The autoencoder with the averaged weights of its checkpoint."""
    model = Autoencoder(**config["autoencoder"]["model"])
    model.load_state_dict(saved["model"])
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), saved["average"], strict=True):
            parameter.copy_(value)
    return model.eval().requires_grad_(False)


def normalise(model, latents):
    """Sets the autoencoder's constants so that these latents [n, 4, h, w] get mean 0 and deviation 1 / SCALE."""
    model.latent_mean.copy_(latents.mean((0, 2, 3)))
    model.latent_scale.copy_(1 / SCALE / latents.std((0, 2, 3)))


def encode(model, pixels, device):
    return torch.cat([model.encode(part.to(device)).cpu() for part in pixels.split(32)])


def colour_factors(latents, pixels):
    """(factors [4, 3], bias [3]) of the linear map from scaled latents to mean colours in -1..1: the host's latent preview."""
    colours = torch.nn.functional.avg_pool2d(pixels, Autoencoder.factor).movedim(1, -1).reshape(-1, 3)
    flat = latents.movedim(1, -1).reshape(-1, latents.shape[1])
    solution = torch.linalg.lstsq(torch.cat([flat, torch.ones(len(flat), 1)], 1), colours).solution
    return solution[:-1], solution[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a few pictures only")
    smoke = parser.parse_args().smoke
    config, folder, device = read_config(smoke), build_folder(smoke), pick_device()
    view, settings = config["pictures"], config["latents"]
    pictures, rows = load_pictures(folder, view)
    styles = {name: style for name, style in view["sets"].items() if style}
    names = {label.lower(): names for label, names in read_concepts(settings["more_concepts"]).items()}
    chosen = [i for i, row in enumerate(rows) if row["label"] in names and row["set"] in styles]
    saved = checkpoints.load(folder / "autoencoder.pt")
    model = (averaged_autoencoder(config, saved) if saved else shipped_autoencoder()).to(device)

    plain = plain_views(pictures, chosen, view)
    if saved:
        normalise(model, encode(model, plain, device).to(device))
    views = [encode(model, plain, device)]
    factors, bias = colour_factors(views[0] * SCALE, plain)
    for number in range(settings["views"]):
        rng = np.random.default_rng([settings["seed"], number])
        views.append(encode(model, random_views(pictures, chosen, view, rng, settings["strength"]), device))
        log.info("view %d of %d", number + 1, settings["views"])
    checkpoints.save(
        folder / "latents.pt",
        latents=torch.stack(views, 1) * SCALE,  # [pictures, views, 4, 16, 16], the plain view first
        names=[names[rows[i]["label"]] for i in chosen],
        styles=[styles[rows[i]["set"]] for i in chosen],
        autoencoder=model.state_dict(),
        colour_factors=factors,
        colour_bias=bias,
    )
    log.info("%d pictures in %d views; deviation %.3f", len(chosen), len(views), (views[0] * SCALE).std())


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
