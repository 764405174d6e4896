"""Edits of models in half precision and of compiled ones: what is exact stays exact, the rest is as far off as a plain run is."""

import comfy.model_patcher
import comfy.supported_models
import pytest
import torch
from closeness import assert_close, differs, relative_distance
from comfy_api.torch_helpers import set_torch_compile_wrapper
from inprocess import random_model

EDITS = ("reweight", "swap", "refine", "features", "all", "kept")


@pytest.fixture(scope="module", params=[torch.bfloat16, torch.float16], ids=["bf16", "fp16"])
def half(request, worded):
    """The worded model in half precision."""
    model = random_model(comfy.supported_models.SD15, worded.model.model_config.unet_config)
    unet = model.model.diffusion_model
    unet.load_state_dict(worded.model.diffusion_model.state_dict())
    unet.to(request.param)
    unet.dtype = request.param
    return model


@pytest.fixture(scope="module")
def compiled(worded):
    """As the host's Torch Compile node makes it, with torch's own operations behind."""
    torch._dynamo.reset()
    model = worded.clone()
    set_torch_compile_wrapper(model, backend="eager")
    return model


@pytest.fixture
def edited(edit, reweight, follow, layout_of, encode):
    """`edited(name, model)`: (MODEL, CONDITIONING) of one of EDITS."""

    def make(name, model):
        if name == "reweight":
            return reweight("a lion", "lion:-8", model=model)
        layout = layout_of("a dog", model=model, keep="both" if name == "kept" else "off")
        if name == "features":
            return follow(layout, model, attention_steps=0.8, feature_steps=0.6), encode("a lion")
        words = {"words": "lion:0.5"} if name == "all" else {}
        target = "a red dog" if name == "refine" else "a lion"
        return edit("a dog", target, layout, follow(layout, model) if name in ("all", "kept") else model, **words)

    return make


@pytest.mark.parametrize("name", EDITS)
def test_half_precision_is_as_far_off_as_in_a_plain_run(half, worded, edited, sample, encode, name):
    plain = [sample(model, encode("a lion")) for model in (half, worded)]
    drawn = [sample(*edited(name, model)) for model in (half, worded)]
    assert relative_distance(*drawn) <= 3 * relative_distance(*plain)
    assert relative_distance(*drawn) < relative_distance(plain[1], drawn[1])


@pytest.mark.parametrize("name", EDITS)
def test_off_is_the_plain_run_in_half_precision(half, edit, reweight, follow, layout_of, sample, encode, name):
    layout = layout_of("a dog", model=half)
    off = {
        "reweight": lambda: reweight("a lion", "lion:1", model=half),
        "features": lambda: (follow(layout, half, attention_steps=0.0, feature_steps=0.0), encode("a lion")),
    }.get(name, lambda: edit("a dog", "a lion", layout, half, cross_steps=0.0, self_steps=0.0))
    assert torch.equal(sample(*off()), sample(half, encode("a lion")))


def test_the_source_as_target_is_the_source_in_half_precision(half, edit, layout_of, sample):
    layout = layout_of("a dog", model=half, cfg=1.0)
    drawn = sample(*edit("a dog", "a dog", layout, half, cross_steps=1.0, self_steps=1.0), cfg=1.0)
    assert relative_distance(drawn, layout.samples) <= 1e-2


@pytest.mark.parametrize("name", EDITS)
def test_a_compiled_model_draws_what_it_draws_uncompiled(compiled, worded, edited, sample, encode, name):
    plain = sample(compiled, encode("a lion"))  # compiled without the edit first
    assert_close(plain, sample(worded, encode("a lion")))
    drawn, expected = (sample(*edited(name, model)) for model in (compiled, worded))
    assert_close(drawn, expected)
    assert differs(drawn, plain)
    assert torch.equal(sample(compiled, encode("a lion")), plain)
