"""The demo checkpoint's other network: a transformer of the SD3 family that reads the same words and draws the same latents."""

import comfy.latent_formats
import comfy.model_base
import pytest
import torch
from safetensors.torch import save_file

from demo_model.loader import TRANSFORMER, load_demo_checkpoint

SAMPLING = {"seed": 1, "steps": 6, "cfg": 3.0, "sampler_name": "euler", "scheduler": "ddim_uniform"}


@pytest.fixture(scope="module")
def checkpoint(run):
    return run("MagicMixDemoCheckpoint", network="transformer")


@pytest.fixture(scope="module")
def said(run, checkpoint):
    """`said(text)`: the CONDITIONING of a prompt."""
    return lambda text: run("CLIPTextEncode", clip=checkpoint[1], text=text)[0]


@pytest.fixture(scope="module")
def draw(run, checkpoint, said):
    """`draw(model, positive)`: latents by the core's KSampler; of "a tiger" where no other prompt is given."""

    def sample(model=None, positive=None, width=16, **settings):
        inputs = {"model": model or checkpoint[0], "positive": positive or said("a tiger"), "negative": said(""), "denoise": 1.0}
        return run("KSampler", **inputs, latent_image={"samples": torch.zeros(1, 4, 16, width)}, **SAMPLING | settings)[0]["samples"]

    return sample


@pytest.fixture(scope="module")
def layout(run, checkpoint, said):
    inputs = {"model": checkpoint[0], "positive": said("a dog"), "negative": said(""), "latent": {"samples": torch.zeros(1, 4, 16, 16)}}
    return run("MagicMixLayoutFromPrompt", **inputs, **SAMPLING)[0]


def test_it_is_of_the_sd3_family_with_latents_of_sd1x(run, checkpoint):
    model = checkpoint[0]
    assert type(model.model) is comfy.model_base.SD3 and model.model.model_type.name == "FLOW"
    assert isinstance(model.get_model_object("latent_format"), comfy.latent_formats.SD15)
    assert model.model.diffusion_model.y_embedder is None
    unet = run("MagicMixDemoCheckpoint")[0]
    assert model.get_model_object("latent_format").latent_rgb_factors == unet.get_model_object("latent_format").latent_rgb_factors


def test_prompts_mean_something_to_it(run, checkpoint, said, draw):
    means = {}
    for text in ("a banana", "a strawberry", "a frog"):
        (pixels,) = run("VAEDecode", vae=checkpoint[2], samples={"samples": draw(positive=said(text), steps=12)})
        means[text] = pixels.mean((0, 1, 2))
    assert means["a banana"][1] - means["a banana"][2] > 0.1, "yellow"
    assert means["a strawberry"][0] - means["a strawberry"][1] > 0.1, "red"
    assert means["a frog"][1] - means["a frog"][0] > 0.05, "green"


def test_words_are_weighted_swapped_and_their_structure_kept(run, checkpoint, draw, layout):
    model, clip, _ = checkpoint
    texts = {"source_text": "a dog", "target_text": "a cat", "edit": "auto", "cross_steps": 0.8, "self_steps": 0.4}
    edits = [
        run("CrossAttnReweight", model=model, clip=clip, text="a tiger", words="tiger", scale=-1.0),
        run("PromptToPrompt", model=model, clip=clip, layout=layout, **texts),
        (run("PlugAndPlayFeatures", model=model, layout=layout, attention_steps=0.5, feature_steps=0.0)[0], None),
    ]
    for steered, positive in edits:
        assert (draw(steered, positive) - draw(positive=positive)).abs().max() > 0.01


@pytest.mark.parametrize("named", [{"words": "tiger"}, {"words": "", "concepts": "tiger, lion"}])
def test_maps_of_its_words_are_recorded(run, checkpoint, draw, named):
    model, clip, vae = checkpoint
    recorded, recording = run("CrossAttnRecord", model=model, clip=clip, text="a tiger", resolution="8", **named)
    (pixels,) = run("VAEDecode", vae=vae, samples={"samples": draw(recorded)})
    maps = run("CrossAttnMaps", recording=recording, images=pixels, opacity=0.7, legend=True)[0]
    assert torch.isfinite(maps).all() and maps.std() > 0.01


def test_layouts_are_mixed_and_pictures_edited_without_inversion(run, checkpoint, said, layout):
    inputs = {"model": checkpoint[0], "positive": said("a cat"), "negative": said(""), "layout": layout}
    (whole,) = run("MagicMixKSampler", **inputs, **SAMPLING, nu=1.0, k_max=1.0, k_min=0.3)
    (mixed,) = run("MagicMixKSampler", **inputs, **SAMPLING, nu=0.5, k_max=0.85, k_min=0.35)
    assert (whole["samples"] - mixed["samples"]).abs().max() > 0.01
    prompts = {"source": said("a dog"), "target": said("a cat"), "negative": said("")}
    settings = {"seed": 1, "steps": 6, "source_cfg": 1.5, "target_cfg": 5.5, "scheduler": "simple", "k_max": 0.66, "k_min": 0.0}
    (edited,) = run("MagicMixFlowEdit", model=checkpoint[0], latent=layout.latent, **prompts, **settings)
    assert (edited["samples"] - layout.latent["samples"]).abs().max() > 0.01


def test_pictures_of_other_sizes_are_drawn_too(draw):
    assert torch.isfinite(draw(width=20, steps=2)).all()


def test_another_network_is_refused(run):
    with pytest.raises(ValueError, match="network must be"):
        run("MagicMixDemoCheckpoint", network="mamba")


def test_its_file_is_small_and_named_where_it_is_missing_or_damaged(tmp_path):
    assert TRANSFORMER.stat().st_size <= 22e6
    short, other = tmp_path / "short.safetensors", tmp_path / "other.safetensors"
    short.write_bytes(TRANSFORMER.read_bytes()[:1_000_000])
    save_file({"weight": torch.zeros(1)}, other)
    for file in (tmp_path / "nothing.safetensors", short, other):
        with pytest.raises(ValueError, match=f"the demo checkpoint {file.name} is missing or damaged, install the pack again"):
            load_demo_checkpoint(network="transformer", transformer=file)
