"""Local blend wherever a run may take it: large pictures, prompts that begin late, and what it refuses."""

import pytest
import torch
from closeness import differs

SMALL = {"samples": torch.zeros(1, 4, 8, 8)}
LARGE = {"samples": torch.zeros(1, 4, 33, 33)}


@pytest.fixture
def blended(run, worded, edit, encode, layout_of, sampling, caplog):
    """`blended(latent, ...)`: what MagicMixKSampler draws of "a lion" over "a dog", which may differ where the dog is; and its layout."""

    def draw(latent=SMALL, change=None, mixed_layout=None, model=worded, **settings):
        layout = layout_of("a dog", latent, model)
        model, positive = edit("a dog", "a lion", layout, model, local_blend="dog")
        positive = change(positive) if change else positive
        settings = {"nu": 1.0, "k_max": 1.0, "k_min": 0.0, "layout": mixed_layout or layout} | settings
        caplog.clear()
        (mixed,) = run("MagicMixKSampler", model=model, positive=positive, negative=encode(""), **sampling | settings)
        return mixed["samples"], layout.samples

    return draw


def test_no_layer_need_be_small(blended, worded_tiny):
    """33 x 33 latents on a UNet of one level: its smallest maps have 1089 places."""
    mixed, layout = blended(LARGE, model=worded_tiny)
    assert torch.isfinite(mixed).all() and differs(mixed, layout)


def test_a_prompt_that_begins_late(run, blended, encode):
    def from_late(positive):
        (late,) = run("ConditioningSetTimestepRange", conditioning=positive, start=0.6, end=1.0)
        (early,) = run("ConditioningSetTimestepRange", conditioning=encode("a lion"), start=0.0, end=0.6)
        return run("ConditioningCombine", conditioning_1=late, conditioning_2=early)[0]

    mixed, layout = blended(change=from_late)
    assert torch.isfinite(mixed).all() and differs(mixed, layout)


def test_another_layout_than_the_samplers_is_refused(blended, layout_of):
    with pytest.raises(ValueError, match="layout of the MagicMix sampler must be the one of Prompt-to-Prompt"):
        blended(mixed_layout=layout_of("a dog", seed=6))


def test_the_same_layout_made_again_is_the_same(blended, layout_of):
    """A cache may keep the edit and make its layout anew for the sampler."""
    assert torch.equal(blended(mixed_layout=layout_of("a dog"))[0], blended()[0])


@pytest.mark.parametrize("window", [{"k_max": 0.6}, {"k_min": 0.3}])
def test_a_window_that_cuts_the_blend_off_is_said(blended, caplog, window):
    blended(**window)
    assert "local_blend holds the rest of the picture only between k_max" in caplog.text
    blended()
    assert "local_blend" not in caplog.text
