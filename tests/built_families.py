"""Small models of the families that the host knows, as tests of all families take them."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from families import FAMILIES, Family

SETTINGS = {"seed": 5, "steps": 4, "cfg": 2.0, "sampler_name": "euler", "scheduler": "normal"}
SHIFTED = ["HunyuanImage21Refiner"]
"""Keeps two frames of its latent in one of the network's."""
PAIRED = ["Hunyuan3Dv2_1"]
"""Sees a prompt beside a negative one only."""
MIXED = [name for name in FAMILIES if name not in SHIFTED]
EDITED = [name for name, family in FAMILIES.items() if family.edits]
UNEDITED = [name for name, family in FAMILIES.items() if not family.edits]


@dataclass
class Built:
    """A family with a small model of it; `calls` counts those of the network."""

    family: Family
    model: Any
    calls: int = 0

    def ends(self) -> dict:
        return {"model": self.model, "positive": self.family.prompt(1), "negative": self.family.prompt(0)}

    def latent(self) -> dict:
        return self.family.latent(self.model)

    def picture(self) -> dict:
        """The latent, or the first frame of a video's."""
        samples = self.latent()["samples"]
        return {"samples": samples[:, :, :1] if samples.ndim == 5 else samples}

    @property
    def has_features(self) -> bool:
        return hasattr(self.model.model.diffusion_model, "output_blocks")


def build(name: str) -> Built:
    family = FAMILIES[name]
    made = Built(family, family.model(name))

    def count(module, inputs):
        made.calls += 1

    made.model.model.diffusion_model.register_forward_pre_hook(count)
    return made


def of(*names):
    return pytest.mark.parametrize("built", *names, indirect=True)


def difference(a, b):
    assert torch.isfinite(a).all() and torch.isfinite(b).all()
    return float((a - b).abs().max())
