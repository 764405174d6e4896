"""A family's small model, and edits drawn with it."""

import pytest
import torch
from small_text_encoders import reading_for
from small_transformers import SETTINGS, SOURCE, build


@pytest.fixture(scope="module")
def built(request):
    """A family's small model, by its name; `NAME in float64` for exactness."""
    name, _, exact = request.param.partition(" in ")
    return build(name, bool(exact))


@pytest.fixture
def clip(clip, built):
    """The demo checkpoint's text encoder, or one of HiDream's kind."""
    return reading_for(built.family, clip)


@pytest.fixture
def empty(built):
    """A LATENT of one picture."""
    samples = torch.zeros_like(built.family.latent(built.model)["samples"])
    return {"samples": samples[:, :, :1] if samples.ndim == 5 else samples}


@pytest.fixture
def layout(run, encode, built, empty):
    inputs = {"model": built.model, "positive": encode(SOURCE), "negative": encode("")} | SETTINGS
    return run("MagicMixLayoutFromPrompt", **inputs, latent=empty)[0]


@pytest.fixture
def draw(sample, encode, empty):
    return lambda model, positive, **settings: sample(model, positive, empty, encode(""), **SETTINGS | settings)


@pytest.fixture
def calls(built):
    """Each call of the network: (arguments, named arguments, result)."""
    seen = []

    def note(module, arguments, named, out):
        named = {name: value for name, value in named.items() if name != "transformer_options"} | {"options": named["transformer_options"]}
        seen.append((arguments, named, out))

    handle = built.network.register_forward_hook(note, with_kwargs=True)
    yield seen
    handle.remove()
