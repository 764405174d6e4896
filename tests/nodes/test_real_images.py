"""Editing a photograph: its inverted path is what the edits follow, whatever guidance does meanwhile."""

import pytest
import skimage.data
import torch
from PIL import Image
from torchvision.transforms.functional import to_tensor

SOURCE = "a cup of coffee"
SAMPLING = {"seed": 0, "steps": 20, "sampler_name": "euler", "scheduler": "ddim_uniform"}
FROM_THE_START = {"nu": 1.0, "k_max": 1.0, "k_min": 0.3}


@pytest.fixture(scope="module")
def checkpoint(run):
    return run("MagicMixDemoCheckpoint")


@pytest.fixture(scope="module")
def photograph(run, checkpoint):
    """A LATENT of a cup of coffee from above."""
    picture = Image.fromarray(skimage.data.coffee()).crop((100, 0, 500, 400)).resize((128, 128))
    return run("VAEEncode", vae=checkpoint[2], pixels=to_tensor(picture).movedim(0, -1)[None])[0]


@pytest.fixture(scope="module")
def layout(run, checkpoint, clip, encode_by, photograph):
    settings = {"steps": SAMPLING["steps"], "scheduler": SAMPLING["scheduler"], "refinements": 2}
    return run("MagicMixLayoutInversion", model=checkpoint[0], positive=encode_by(clip)(SOURCE), latent=photograph, **settings)[0]


@pytest.fixture
def swapped(run, checkpoint, clip, layout):
    def make(target):
        inputs = {"model": checkpoint[0], "clip": clip, "layout": layout, "source_text": SOURCE, "target_text": target}
        return run("PromptToPrompt", **inputs, edit="auto", cross_steps=0.8, self_steps=0.4)

    return make


@pytest.fixture
def followed(run, checkpoint, encode, layout):
    def make(target):
        settings = {"attention_steps": 0.5, "feature_steps": 0.8}
        return run("PlugAndPlayFeatures", model=checkpoint[0], layout=layout, **settings)[0], encode(target)

    return make


@pytest.fixture(params=["swapped", "followed"])
def edit(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def draw(run, encode, layout):
    """At guidance 7.5, away from the photograph's own prompt."""

    def sample(model, positive, negative=SOURCE, steps=SAMPLING["steps"]):
        inputs = {"model": model, "positive": positive, "negative": encode(negative), "layout": layout, "cfg": 7.5}
        return run("MagicMixKSampler", **inputs, **SAMPLING | {"steps": steps}, **FROM_THE_START)[0]["samples"]

    return sample


def decibels(latent, image):
    return 10 * torch.log10((image.max() - image.min()) ** 2 / (latent - image).square().mean())


def test_editing_with_the_source_prompt_returns_the_photograph(edit, draw, photograph):
    assert decibels(draw(*edit(SOURCE)), photograph["samples"]) >= 40


def test_editing_with_another_prompt_does_not(edit, draw, photograph):
    assert decibels(draw(*edit("a donut"), steps=10), photograph["samples"]) < 30


def test_the_source_stays_on_the_recorded_path(edit, draw, checkpoint, layout):
    """Also where guidance has long driven the picture from it."""
    model, sampling = checkpoint[0].model.diffusion_model, checkpoint[0].get_model_object("model_sampling")
    seen = []
    handle = model.input_blocks[0][0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    try:
        draw(*edit("a donut"), negative="")
    finally:
        handle.remove()
    assert len(seen) == SAMPLING["steps"]
    for rows, latent, sigma in zip(seen, layout.latents[:-1], layout.sigmas[:-1], strict=True):
        if len(rows) == 3:  # as long as the source is needed
            assert torch.allclose(rows[:1], sampling.calculate_input(sigma, latent), atol=1e-5)
    assert sum(len(rows) == 3 for rows in seen) == 0.8 * SAMPLING["steps"]
    assert not torch.allclose(rows[-1:], sampling.calculate_input(sigma, latent), atol=0.1)
