"""Writes magicmix-demo-transformer.safetensors: the averaged transformer in half precision; text encoder and autoencoder are the UNet's."""

import argparse
import json
import logging

import torch
from safetensors.torch import save_file

import checkpoints
import transformer
from export import half
from settings import build_folder, read_config

log = logging.getLogger("export")
NAME = "magicmix-demo-transformer.safetensors"


def describe(config, saved, data):
    """The configuration a loader needs, as the text of one metadata entry."""
    description = {
        "transformer": transformer.transformer_config(**config["transformer"], context_width=config["text_encoder"]["width"]),
        "shift": config["transformer_training"]["shift"],
        "concepts": list(dict.fromkeys(names[0] for names in data["names"])),
        "styles": list(dict.fromkeys(data["styles"])),
        "trained_pictures": saved["pictures"],
    }
    return json.dumps(description)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="export the smoke test's model")
    smoke = parser.parse_args().smoke
    config, folder = read_config(smoke), build_folder(smoke)
    saved, data = checkpoints.load(folder / "transformer.pt"), checkpoints.load(folder / "latents.pt")
    if saved is None or data is None:
        raise FileNotFoundError(f"no trained transformer in {folder}: run train_transformer.py first")
    tensors = {f"model.diffusion_model.{key}": half(value) for key, value in saved["averaged"].items()}
    unusable = [key for key, value in tensors.items() if not torch.isfinite(value).all()]
    if unusable:
        raise ValueError(f"not finite in half precision: {unusable}")
    path = folder / NAME
    temporary = path.with_suffix(".part")
    save_file(tensors, temporary, metadata={"format": "pt", "config": describe(config, saved, data)})
    temporary.replace(path)
    log.info("%s: %.2f MB after %d pictures", path.name, path.stat().st_size / 1e6, saved["pictures"])


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
