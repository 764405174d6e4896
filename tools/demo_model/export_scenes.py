"""Writes the scene model: UNet, text encoder and autoencoder in half precision, in the form of magicmix-demo.safetensors.

The counts of pictures stand in its metadata, so that a training can go on from it (`--from`, or as tools/demo_model/scenes/weights.safetensors).
"""

import argparse
import json
import logging
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

import checkpoints
import network
from autoencoder import SCALE, Autoencoder
from encode_latents import colour_factors
from export import gather
from precision import pick_device
from settings import build_folder
from starting import newest, read_parts
from text_encoder import clip_config
from train_scenes import SceneTraining, load_autoencoder, prepare, to_pixels

log = logging.getLogger("export")
NAME = "magicmix-demo-scenes.safetensors"


def describe(config, composer, autoencoder, counts):
    """The configuration a loader needs, and what the model was trained on, as the text of one metadata entry."""
    shape = {key: value for key, value in config["unet"].items() if key != "noise"}
    pixels = to_pixels([composer.draw(np.random.default_rng([0, number])) for number in range(64)])
    with torch.no_grad():
        factors, bias = colour_factors(autoencoder.encode(pixels) * SCALE, pixels)
    description = {
        "unet": network.unet_config(**shape, context_width=config["text_encoder"]["width"]),
        "text_encoder": clip_config(**config["text_encoder"]),
        "autoencoder": config["autoencoder"]["model"] | {"factor": Autoencoder.factor},
        "latent_rgb_factors": [[round(v, 4) for v in row] for row in factors.tolist()],
        "latent_rgb_factors_bias": [round(v, 4) for v in bias.tolist()],
        "concepts": composer.drawings.names,
        "in_scenes": composer.things["in_scenes"],
        "styles": composer.drawings.styles,
        "size": config["size"],
    }
    return json.dumps(description | counts)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="export the smoke test's model")
    parser.add_argument("--to", type=Path, help="instead of the build folder's file")
    arguments = parser.parse_args()
    folder = build_folder(arguments.smoke)
    config, composer, words = prepare(arguments.smoke)
    saved = checkpoints.load(folder / "scenes.pt")
    if saved is None:  # the autoencoder is trained first
        training = SceneTraining(config, words, pick_device())
        training.begin(*read_parts(newest()))
        saved = {"averaged_unet": training.unet.state_dict(), "averaged_text": training.text.state_dict(), "pictures": training.pictures}
    autoencoder, seen = load_autoencoder(config, folder)
    tensors = gather(saved, autoencoder.state_dict())
    unusable = [key for key, value in tensors.items() if value.is_floating_point() and not torch.isfinite(value).all()]
    if unusable:
        raise ValueError(f"not finite in half precision: {unusable}")
    counts = {"trained_scenes": saved["pictures"], "trained_pictures": saved["pictures"], "autoencoder_pictures": seen}
    path = arguments.to or folder / NAME
    temporary = path.with_suffix(".part")
    save_file(tensors, temporary, metadata={"format": "pt", "config": describe(config, composer, autoencoder, counts)})
    temporary.replace(path)
    log.info("%s: %.2f MB, %s", path.name, path.stat().st_size / 1e6, counts)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
