"""Small networks without a UNet whose prompts matter, and what tests of edits on them draw."""

from dataclasses import replace
from types import SimpleNamespace

import torch
from families import FAMILIES

SETTINGS = {"seed": 5, "steps": 2, "cfg": 2.0, "sampler_name": "euler", "scheduler": "normal"}
SOURCE, TARGET = "a dog on grass", "a lion on grass"
JOINT = ("Flux", "FluxSchnell", "FluxInpaint", "Flux2", "Chroma", "SD3", "QwenImage", "Lumina2", "ZImage", "HiDream")
APART = ("WAN21_T2V", "WAN22_T2V", "WAN21_I2V", "CosmosT2IPredict2", "PixArtAlpha", "PixArtSigma")
DEEPER = {"num_layers": 2, "num_single_layers": 2, "llama_layers": [0, 1, 1, 0], "n_layers": 2, "num_blocks": 2, "depth": 2}
"""In a first block the picture is the same for all rows of a first step: what is taken from the layout shows behind it."""


def build(name: str, exact: bool = False) -> SimpleNamespace:
    """A family's small model, in float64 where `exact`."""
    family = FAMILIES[name]
    deeper = {setting: DEEPER[setting] for setting in DEEPER if setting in family.config and name != "SD3"}
    family = replace(family, config=family.config | deeper)
    model = family.model(name)
    network = model.model.diffusion_model
    if exact:
        network.to(torch.float64).dtype = torch.float64
    return SimpleNamespace(name=name, family=family, model=model, network=network)


def again(built, call):
    """The same call of the network without anything that steers it."""
    arguments, named, _ = call
    with torch.no_grad():
        return built.network(*arguments, **{name: value for name, value in named.items() if name != "options"}, transformer_options={})
