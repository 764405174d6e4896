"""Writes the model of things alone: UNet, text encoder and autoencoder in half precision, their configuration in the metadata."""

import argparse
import json
import logging

import torch
from safetensors.torch import save_file

import checkpoints
import network
from autoencoder import Autoencoder
from settings import build_folder, read_config
from shipped import THINGS
from text_encoder import clip_config

log = logging.getLogger("export")


def half(tensor):
    return tensor.half().contiguous() if tensor.is_floating_point() else tensor.contiguous()


def gather(saved, autoencoder):
    """All weights under the names of an SD1.x checkpoint; of the text encoder's token table only the trained rows."""
    tensors = {f"model.diffusion_model.{key}": value for key, value in saved["averaged_unet"].items()}
    tensors |= {f"first_stage_model.{key}": value for key, value in autoencoder.items()}
    return {key: half(value) for key, value in (tensors | text_tensors(saved["averaged_text"])).items()}


def text_tensors(weights):
    """A text encoder's weights under the names of an SD1.x checkpoint."""
    return {f"cond_stage_model.{key.replace('token_rows.weight', 'token_rows')}": value for key, value in weights.items()}


def describe(config, saved, data):
    """The configuration a loader needs."""
    width = config["text_encoder"]["width"]
    return {
        "unet": network.unet_config(**config["unet"], context_width=width),
        "text_encoder": clip_config(**config["text_encoder"]),
        "autoencoder": config["autoencoder"]["model"] | {"factor": Autoencoder.factor},
        "latent_rgb_factors": [[round(v, 4) for v in row] for row in data["colour_factors"].tolist()],
        "latent_rgb_factors_bias": [round(v, 4) for v in data["colour_bias"].tolist()],
        "concepts": list(dict.fromkeys(names[0] for names in data["names"])),
        "styles": list(dict.fromkeys(data["styles"])),
        "trained_pictures": saved["pictures"],
    }


def write(path, tensors, description):
    """Writes a file whole or not at all. Raises ValueError for tensors that are not finite in half precision."""
    unusable = [key for key, value in tensors.items() if value.is_floating_point() and not torch.isfinite(value).all()]
    if unusable:
        raise ValueError(f"not finite in half precision: {unusable}")
    temporary = path.with_suffix(".part")
    save_file(tensors, temporary, metadata={"format": "pt", "config": json.dumps(description)})
    temporary.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="export the smoke test's model")
    smoke = parser.parse_args().smoke
    config, folder = read_config(smoke), build_folder(smoke)
    saved, data = checkpoints.load(folder / "unet.pt"), checkpoints.load(folder / "latents.pt")
    if saved is None or data is None:
        raise FileNotFoundError(f"no trained model in {folder}: run train_unet.py first")
    path = folder / THINGS
    write(path, gather(saved, data["autoencoder"]), describe(config, saved, data))
    log.info("%s: %.2f MB after %d pictures", path.name, path.stat().st_size / 1e6, saved["pictures"])


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
