"""The demo checkpoints' files: those made here, else those that the pack ships.

The model of things alone comes first; that of scenes, which is shipped, goes on from it and stands in for it.
"""

from pathlib import Path

from autoencoder import Autoencoder
from exported import read_parts
from text_encoder import TextEncoder

FROM = "--from", {"type": Path, "help": "begin from this exported file, whatever state was saved"}
THINGS, NAME, TRANSFORMER = "magicmix-demo-things.safetensors", "magicmix-demo.safetensors", "magicmix-demo-transformer.safetensors"
SHIPPED = Path(__file__).resolve().parents[2] / "demo_model" / NAME


def checkpoint(folder, name=THINGS):
    """The file of that name in the build folder, or the shipped one where there is none."""
    made = folder / name
    return made if made.exists() else SHIPPED.with_name(TRANSFORMER if name == TRANSFORMER else NAME)


def shipped_autoencoder():
    """The shipped file's, whose latents both networks know."""
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
