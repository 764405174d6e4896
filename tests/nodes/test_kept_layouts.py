"""Layouts that keep what edits read of them: the same pictures, without the layout's rows in the calls."""

import pytest
import torch
from closeness import assert_close, differs

TWO = {"samples": torch.zeros(2, 4, 8, 8)}


@pytest.fixture
def both(layout_of):
    """The same layout without anything kept, and with everything."""
    return layout_of("a dog"), layout_of("a dog", keep="both")


def test_a_swap_runs_two_rows_and_draws_the_same(edit, sample, both, unet_rows):
    plain, kept = (edit("a dog", "a teddy bear", layout, edit="swap", cross_steps=1.0, self_steps=1.0) for layout in both)
    expected = sample(*plain)
    assert unet_rows[-6:] == [3] * 6
    assert_close(sample(*kept), expected)
    assert unet_rows[-6:] == [2] * 6


@pytest.mark.parametrize(
    ("target", "settings"),
    [("a red dog", {}), ("a lion", {"words": "lion:-1.5", "word_steps": "lion:0.4"}), ("a lion", {"cross_steps": 0.0})],
    ids=["refined", "weighted, with steps of its own", "self-attention alone"],
)
def test_other_edits_draw_the_same(edit, sample, both, target, settings):
    plain, kept = (sample(*edit("a dog", target, layout, **settings)) for layout in both)
    assert_close(kept, plain)


def test_features_run_two_rows_and_draw_the_same(follow, encode, sample, both, unet_rows):
    plain, kept = (follow(layout, attention_steps=1.0, feature_steps=1.0) for layout in both)
    expected = sample(plain, encode("a lion"))
    assert_close(sample(kept, encode("a lion")), expected)
    assert unet_rows[-6:] == [2] * 6


def test_both_edits_in_one_run(edit, follow, sample, both):
    plain, kept = (sample(*edit("a dog", "a lion", layout, follow(layout))) for layout in both)
    assert_close(kept, plain)


def test_a_local_blend_reads_what_is_kept(run, edit, encode, both, sampling, unet_rows):
    drawn = []
    for layout in both:
        model, positive = edit("a dog", "a lion", layout, local_blend="dog, lion")
        inputs = {"model": model, "positive": positive, "negative": encode(""), "layout": layout, "nu": 1.0, "k_max": 1.0, "k_min": 0.0}
        drawn.append(run("MagicMixKSampler", **inputs, **sampling)[0]["samples"])
    assert_close(drawn[1], drawn[0])
    assert unet_rows[-6:] == [2] * 6


def test_one_layout_serves_a_batch_and_as_many_serve_row_by_row(edit, layout_of, sample, both):
    model, positive = edit("a dog", "a lion", both[1])
    assert_close(sample(model, positive, TWO)[:1], sample(model, positive))
    plain, kept = (sample(*edit("a dog", "a lion", layout_of("a dog", TWO, keep=keep)), TWO) for keep in ("off", "words"))
    assert_close(kept, plain)
    assert differs(kept[:1], kept[1:])


def test_a_photographs_layout_keeps_too(run, worded, encode, edit, sample, latent, unet_rows):
    inputs = {"model": worded, "positive": encode("a dog"), "latent": latent(), "steps": 6, "scheduler": "normal", "refinements": 1}
    plain, kept = (edit("a dog", "a lion", run("MagicMixLayoutInversion", **inputs, keep=keep)[0]) for keep in ("off", "words"))
    expected = sample(*plain)
    assert_close(sample(*kept), expected)
    assert unet_rows[-6:] == [2] * 6


@pytest.mark.parametrize(
    ("source", "settings"),
    [("a cat", {}), ("a dog", {"scheduler": "karras"})],
    ids=["another prompt", "other levels"],
)
def test_what_was_not_kept_is_computed(edit, layout_of, sample, source, settings, unet_rows):
    plain, kept = (edit(source, "a lion", layout_of("a dog", keep=keep), cross_steps=1.0) for keep in ("off", "words"))
    expected = sample(*plain, **settings)
    unet_rows.clear()
    assert torch.equal(sample(*kept, **settings), expected)
    assert set(unet_rows) == {3}


def test_words_that_are_kept_do_not_serve_features(follow, layout_of, encode, sample, unet_rows):
    model = follow(layout_of("a dog", keep="words"), attention_steps=1.0)
    unet_rows.clear()
    sample(model, encode("a lion"))
    assert set(unet_rows) == {3}


def test_an_edited_model_keeps_the_layouts_own_attention(layout_of, reweight, encode, edit, sample, run, sampling):
    """As the layout's rows would be seen: alone, without the edit that drew it."""
    model, positive = reweight("a dog", "dog:2")
    inputs = {"model": model, "positive": positive, "negative": encode(""), "latent": {"samples": torch.zeros(1, 4, 8, 8)}} | sampling
    plain, kept = (run("MagicMixLayoutFromPrompt", **inputs, keep=keep)[0] for keep in ("off", "words"))
    assert_close(sample(*edit("a dog", "a lion", kept)), sample(*edit("a dog", "a lion", plain)))


def test_what_is_kept_grows_with_what_is_asked_for(layout_of):
    words, structure, both = (layout_of("a dog", keep=keep).kept.mebibytes for keep in ("words", "structure", "both"))
    assert 0 < words < both and 0 < structure < both


def test_a_layout_of_combined_prompts_keeps_nothing(run, worded, encode, sampling):
    (positive,) = run("ConditioningCombine", conditioning_1=encode("a dog"), conditioning_2=encode("a cat"))
    inputs = {"model": worded, "positive": positive, "negative": encode(""), "latent": {"samples": torch.zeros(1, 4, 8, 8)}} | sampling
    with pytest.raises(ValueError, match="positive must be one prompt where keep is not off, got 2 combined ones"):
        run("MagicMixLayoutFromPrompt", **inputs, keep="words")
