"""The real host in this process, the pack loaded the way it loads it, and small models with random weights."""

import pytest
import torch
from inprocess import SD15, load_pack, node_runner, random_model, start_host

start_host("--cpu")

import comfy.supported_models

SMALL = SD15 | {
    "model_channels": 32,
    "num_res_blocks": [1, 1],
    "channel_mult": [1, 2],
    "transformer_depth": [1, 1],
    "transformer_depth_output": [1, 1, 1, 1],
    "context_dim": 64,
}
TINY = SMALL | {"channel_mult": [1], "num_res_blocks": [1], "transformer_depth": [1], "transformer_depth_output": [1, 1]}


@pytest.fixture(scope="session")
def run():
    """`run("NodeId", input=value, ...)`: executes a node of the host or the pack; returns its outputs."""
    load_pack()
    return node_runner()


@pytest.fixture(scope="session")
def sd15():
    return random_model(comfy.supported_models.SD15, SMALL)


@pytest.fixture(scope="session")
def tiny():
    """An SD1.x model of one resolution, for long loops."""
    return random_model(comfy.supported_models.SD15, TINY)


@pytest.fixture(scope="session")
def sdxl():
    return random_model(comfy.supported_models.SDXL, SMALL | {"model_channels": 64, "adm_in_channels": 2816, "num_classes": "sequential"})


@pytest.fixture(scope="session")
def prompt():
    """`prompt(n)`: conditioning number n, as CLIP Text Encode would give it."""

    def encode(number: int):
        generator = torch.Generator().manual_seed(number)
        return [[torch.randn(1, 77, 64, generator=generator), {"pooled_output": torch.randn(1, 1280, generator=generator)}]]

    return encode


@pytest.fixture(scope="session")
def latent():
    """`latent(rows, channels, height, width)`: a LATENT of random numbers at SD1.x's scale."""

    def encode(rows=1, channels=4, height=8, width=8):
        return {"samples": torch.randn(rows, channels, height, width, generator=torch.Generator().manual_seed(3)) * 5.0}

    return encode
