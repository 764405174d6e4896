"""Writes magicmix-demo.safetensors, the scene model: UNet, text encoder and autoencoder in half precision.

The counts of pictures stand in its metadata, so that a training can go on from it (`--from`, or as the file that the pack ships).
"""

import argparse
import logging
from pathlib import Path

import numpy as np
import torch

import checkpoints
import network
from autoencoder import SCALE, Autoencoder
from encode_latents import colour_factors
from export import gather, write
from exported import read_parts
from precision import pick_device
from settings import build_folder
from shipped import NAME, checkpoint
from text_encoder import clip_config
from train_scenes import SceneTraining, load_autoencoder, prepare, to_pixels
from workers import Workers

log = logging.getLogger("export")


def describe(config, composer, autoencoder):
    """The configuration a loader needs, and what the model was trained on."""
    pixels = to_pixels([composer.draw(np.random.default_rng([0, number])) for number in range(64)])
    with torch.no_grad():
        factors, bias = colour_factors(autoencoder.encode(pixels) * SCALE, pixels)
    return {
        "unet": network.unet_config(**config["unet"], context_width=config["text_encoder"]["width"]),
        "text_encoder": clip_config(**config["text_encoder"]),
        "autoencoder": config["autoencoder"]["model"] | {"factor": Autoencoder.factor},
        "latent_rgb_factors": [[round(v, 4) for v in row] for row in factors.tolist()],
        "latent_rgb_factors_bias": [round(v, 4) for v in bias.tolist()],
        "concepts": composer.drawings.names,
        "in_scenes": composer.things["in_scenes"],
        "styles": composer.drawings.styles,
        "size": config["size"],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="export the smoke test's model")
    parser.add_argument("--to", type=Path, help="instead of the build folder's file")
    arguments = parser.parse_args()
    folder = build_folder(arguments.smoke)
    config, composer, words = prepare(arguments.smoke)
    saved = checkpoints.load(folder / "scenes.pt")
    if saved is None:  # the autoencoder is trained first
        training = SceneTraining(config, words, Workers(), pick_device())
        training.begin(*read_parts(checkpoint(folder)))
        saved = {"averaged_unet": training.unet.state_dict(), "averaged_text": training.text.state_dict(), "pictures": training.pictures}
    autoencoder, seen = load_autoencoder(config, folder, checkpoint(folder))
    counts = {"trained_scenes": saved["pictures"], "trained_pictures": saved["pictures"], "autoencoder_pictures": seen}
    path = arguments.to or folder / NAME
    write(path, gather(saved, autoencoder.state_dict()), describe(config, composer, autoencoder) | counts)
    log.info("%s: %.2f MB, %s", path.name, path.stat().st_size / 1e6, counts)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
