"""A mix whose nu is found by CLIP: a small one with random weights, through the host's own classes."""

import json

import comfy.clip_vision
import comfy.sd1_clip
import latent_preview
import pytest
import torch

VISION = {"model_type": "clip_vision_model", "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "num_channels": 3}
VISION |= {"image_size": 32, "patch_size": 8, "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 2}
TEXT = "a rabbit"


@pytest.fixture(scope="module")
def vision(tmp_path_factory):
    """`vision(projection_dim=128)`: a CLIP_VISION."""

    def build(**more):
        config = tmp_path_factory.mktemp("vision") / "config.json"
        config.write_text(json.dumps(VISION | more))
        model = comfy.clip_vision.ClipVisionModel(config)
        generator = torch.Generator().manual_seed(1)
        for weight in model.model.parameters():
            weight.data = torch.randn(weight.shape, generator=generator) * 0.2
        return model

    return build


@pytest.fixture
def demo(run):
    model, clip, vae = run("MagicMixDemoCheckpoint")
    return {"model": model, "clip": clip, "vae": vae}


@pytest.fixture
def balanced(run, demo):
    """`balanced(...)`: Balance over a layout of one colour, but for what it is given."""
    (layout,) = run("MagicMixLayoutNoise", latent={"samples": demo["vae"].encode(torch.full((1, 64, 64, 3), 0.2))}, seed=3, noise="shared")
    positive, negative = (run("CLIPTextEncode", clip=demo["clip"], text=text)[0] for text in (TEXT, ""))
    sampling = {"seed": 3, "steps": 4, "cfg": 3.0, "sampler_name": "euler", "scheduler": "ddim_uniform", "k_max": 0.9, "k_min": 0.3}
    inputs = {"model": demo["model"], "positive": positive, "negative": negative, "layout": layout, "vae": demo["vae"]} | sampling
    return lambda **more: run("MagicMixBalance", **inputs | {"target": 0.5, "tries": 5} | more)


@pytest.fixture
def seeing(demo, vision):
    """What Balance measures by, with the text where the content's picture is and not the layout's."""
    clip, clip_vision = demo["clip"], vision(projection_dim=128)
    grey, white = (clip_vision.encode_image(torch.full((1, 64, 64, 3), value))["image_embeds"][0] for value in (0.2, 1.0))
    _, pooled = clip.encode_from_tokens(clip.tokenize(TEXT), return_pooled=True)
    between, text = ((each / each.norm()) for each in (white - grey, pooled[0]))
    project(clip, torch.outer(between, text) + torch.eye(128) * 1e-3)
    return {"clip_vision": clip_vision, "clip": clip, "content_text": TEXT}


def project(clip, weight):
    (encoder,) = (each for each in clip.cond_stage_model.modules() if isinstance(each, comfy.sd1_clip.SDClipModel))
    encoder.transformer.text_projection.weight.data = weight


def test_it_finds_a_nu_whose_picture_is_the_samplers_and_the_same_bits_again(balanced, seeing, monkeypatch):
    seen = []
    monkeypatch.setattr(
        latent_preview, "prepare_callback", lambda model, count: lambda step, denoised, x, total: seen.append((step, total))
    )
    latent, nu, sheet = balanced(**seeing)
    assert seen == sorted(seen) and seen[-1] == (19, 20)
    again, same, other = balanced(**seeing)
    assert 0 < nu < 1 and nu == same
    assert torch.equal(latent["samples"], again["samples"]) and torch.equal(sheet, other)


def test_the_prompt_alone_or_the_layout_alone_can_be_the_target(balanced, seeing):
    prompt, both, layout = (balanced(**seeing, target=target)[1] for target in (0.0, 0.5, 1.0))
    assert layout < both <= prompt


@pytest.mark.parametrize(
    "left, said",
    [
        ("clip", "clip must be connected where clip_vision is: the text encoder of the same CLIP"),
        ("clip_vision", "clip_vision must be connected where clip is"),
        ("content_text", "content_text must say what the prompt draws where clip_vision is connected"),
    ],
)
def test_a_part_alone_is_refused(balanced, seeing, left, said):
    with pytest.raises(ValueError, match=said):
        balanced(**{name: value for name, value in seeing.items() if name != left})


def test_models_that_share_no_space_are_refused_before_anything_is_drawn(balanced, seeing, vision, monkeypatch):
    monkeypatch.setattr(latent_preview, "prepare_callback", lambda *_: pytest.fail("drawn"))
    with pytest.raises(ValueError, match="clip and clip_vision must be of one CLIP: pictures are 64 wide, texts 128. Pairs are ViT-L with"):
        balanced(**seeing | {"clip_vision": vision(projection_dim=64)})
    with pytest.raises(ValueError, match="clip_vision must be of a CLIP, whose pictures can be compared with texts"):
        balanced(**seeing | {"clip_vision": vision()})
    for weight in (torch.eye(128), torch.zeros(128, 128)):
        project(seeing["clip"], weight)
        with pytest.raises(ValueError, match="clip must bring its projection to where pictures are"):
            balanced(**seeing)


def test_a_text_that_says_nothing_of_the_content_is_refused(balanced, seeing):
    (encoder,) = (each for each in seeing["clip"].cond_stage_model.modules() if isinstance(each, comfy.sd1_clip.SDClipModel))
    project(seeing["clip"], -encoder.transformer.text_projection.weight.data)
    with pytest.raises(ValueError, match="content_text must say what the prompt draws"):
        balanced(**seeing)
