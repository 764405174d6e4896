"""Text encoder and autoencoder of the demo checkpoint: of the one made here, else of the one that the pack ships."""

from pathlib import Path

from autoencoder import Autoencoder
from exported import read_parts
from text_encoder import TextEncoder

NAME = "magicmix-demo.safetensors"
SHIPPED = Path(__file__).resolve().parents[2] / "demo_model" / NAME


def checkpoint(folder, name=NAME):
    """The file of that name in the build folder, or the shipped one where there is none."""
    return folder / name if (folder / name).exists() else SHIPPED.with_name(name)


def shipped_autoencoder():
    """The shipped file's, whose latents the UNet and the transformer both know."""
    config, parts = read_parts(SHIPPED)
    model = Autoencoder(**{key: value for key, value in config["autoencoder"].items() if key != "factor"})
    model.load_state_dict(parts["first_stage_model"])
    return model.eval().requires_grad_(False)


def text_encoder(folder):
    """The text encoder of the checkpoint, frozen; it knows the captions' tokens by the rows that it was trained with."""
    config, parts = read_parts(checkpoint(folder))
    facts, weights = config["text_encoder"], parts["cond_stage_model"]
    model = TextEncoder(
        weights["token_ids"].tolist(),
        facts["hidden_size"],
        facts["num_attention_heads"],
        facts["num_hidden_layers"],
        facts["intermediate_size"],
    )
    model.load_state_dict(weights)
    return model.eval().requires_grad_(False)
