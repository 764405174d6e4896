"""The checkpoint that comes with the pack, used as any checkpoint is."""

import numpy as np
import pytest
import torch
from PIL import Image

from demo_model.loader import CHECKPOINT, load_demo_checkpoint


@pytest.fixture(scope="module")
def checkpoint(run):
    return run("MagicMixDemoCheckpoint")


@pytest.fixture(scope="module")
def draw(run, checkpoint):
    """`draw(prompt)`: pictures `[2, H, W, 3]` by the core's own nodes."""
    model, clip, vae = checkpoint

    def sample(prompt, **settings):
        positive, negative = (run("CLIPTextEncode", clip=clip, text=text)[0] for text in (prompt, ""))
        inputs = {"model": model, "positive": positive, "negative": negative, "latent_image": {"samples": torch.zeros(2, 4, 16, 16)}}
        settings = {"seed": 1, "steps": 12, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0} | settings
        return run("VAEDecode", vae=vae, samples=run("KSampler", **inputs, **settings)[0])[0]

    return sample


def test_a_sunflower_is_yellow_and_a_strawberry_is_red(draw):
    """Coarse, but no model that lost its text could pass."""
    sunflower, strawberry = (draw(prompt).mean((0, 1, 2)) for prompt in ("a sunflower", "a strawberry"))
    assert sunflower[1] - sunflower[2] > 0.1, "green far above blue"
    assert strawberry[0] - strawberry[1] > 0.1, "red far above green"


def test_the_prompts_weights_are_heard(draw):
    assert (draw("a sunflower") - draw("a (sunflower:1.4)")).abs().max() > 0.01


def test_the_autoencoder_returns_its_sample_layouts(run, checkpoint):
    for file in sorted(CHECKPOINT.parent.glob("layouts/*.png")):
        side = 16 * checkpoint[2].spacial_compression_encode()
        pixels = torch.from_numpy(
            np.asarray(Image.open(file).convert("RGB").resize((side, side), Image.Resampling.LANCZOS)) / 255.0
        ).float()[None]
        (latent,) = run("VAEEncode", vae=checkpoint[2], pixels=pixels)
        (decoded,) = run("VAEDecode", vae=checkpoint[2], samples=latent)
        assert latent["samples"].shape == (1, 4, 16, 16)
        assert -10 * torch.log10((decoded.cpu() - pixels).square().mean()) > 25, f"{file.name}: PSNR in dB"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="the demo checkpoint nothing.safetensors is missing or damaged, install the pack again"):
        load_demo_checkpoint(tmp_path / "nothing.safetensors")


def test_a_damaged_file_is_named(tmp_path):
    damaged = tmp_path / "half.safetensors"
    damaged.write_bytes(CHECKPOINT.read_bytes()[: CHECKPOINT.stat().st_size // 2])
    with pytest.raises(ValueError, match="the demo checkpoint half.safetensors is missing or damaged, install the pack again"):
        load_demo_checkpoint(damaged)


def test_a_file_of_something_else_is_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="other.safetensors is missing or damaged"):
        load_demo_checkpoint(tmp_path / "other.safetensors")
