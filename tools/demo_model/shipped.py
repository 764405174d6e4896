"""The demo checkpoints' files: those made here, else those that are in git.

The model of things alone comes first and is what the pack ships; the one of scenes goes on from it and is still in training.
"""

from pathlib import Path

from autoencoder import Autoencoder
from exported import read_parts
from text_encoder import TextEncoder

FROM = "--from", {"type": Path, "help": "begin from this exported file, whatever state was saved"}
THINGS, NAME, TRANSFORMER = "magicmix-demo-things.safetensors", "magicmix-demo.safetensors", "magicmix-demo-transformer.safetensors"
SHIPPED = Path(__file__).resolve().parents[2] / "demo_model" / NAME
IN_GIT = {
    THINGS: SHIPPED,
    NAME: Path(__file__).resolve().parent / "scenes" / "weights.safetensors",
    TRANSFORMER: SHIPPED.with_name(TRANSFORMER),
}


def checkpoint(folder, name=THINGS):
    """The file of that name in the build folder, or what is in git where there is none."""
    return folder / name if (folder / name).exists() else IN_GIT[name]


def beginning(folder):
    """Where a training of scenes begins: the model of things alone if it was made here, else the newest scenes in git."""
    return folder / THINGS if (folder / THINGS).exists() else IN_GIT[NAME]


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
