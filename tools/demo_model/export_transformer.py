"""Writes magicmix-demo-transformer.safetensors: the averaged transformer in half precision; text encoder and autoencoder are the UNet's."""

import argparse
import logging

import checkpoints
import transformer
from export import half, write
from settings import build_folder, read_config

log = logging.getLogger("export")
NAME = "magicmix-demo-transformer.safetensors"


def describe(config, saved, data):
    """The configuration a loader needs."""
    return {
        "transformer": transformer.transformer_config(**config["transformer"], context_width=config["text_encoder"]["width"]),
        "shift": config["transformer_training"]["shift"],
        "concepts": list(dict.fromkeys(names[0] for names in data["names"])),
        "styles": list(dict.fromkeys(data["styles"])),
        "trained_pictures": saved["pictures"],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="export the smoke test's model")
    smoke = parser.parse_args().smoke
    config, folder = read_config(smoke), build_folder(smoke)
    saved, data = checkpoints.load(folder / "transformer.pt"), checkpoints.load(folder / "latents.pt")
    if saved is None or data is None:
        raise FileNotFoundError(f"no trained transformer in {folder}: run train_transformer.py first")
    tensors = {f"model.diffusion_model.{key}": half(value) for key, value in saved["averaged"].items()}
    path = folder / NAME
    write(path, tensors, describe(config, saved, data))
    log.info("%s: %.2f MB after %d pictures", path.name, path.stat().st_size / 1e6, saved["pictures"])


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
