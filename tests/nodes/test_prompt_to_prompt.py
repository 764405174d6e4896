"""What an edit of a prompt leaves alone, and what it costs."""

import comfy.ldm.modules.attention
import comfy.model_management
import comfy.samplers
import pytest
import torch
from closeness import assert_close, differs


@pytest.fixture
def model(worded):
    return worded


def test_scale_one_is_the_plain_run(reweight, sample, model, encode):
    assert torch.equal(sample(*reweight("a lion", "lion", 1.0)), sample(model, encode("a lion")))


def test_no_steps_are_the_plain_run(edit, sample, model, encode):
    off = edit("a dog", "a lion", cross_steps=0.0, self_steps=0.0)
    assert torch.equal(sample(*off), sample(model, encode("a lion")))


def test_the_source_as_target_is_the_source(edit, sample, model, encode):
    same = edit("a dog", "a dog", cross_steps=1.0, self_steps=1.0)
    assert torch.equal(sample(*same), sample(model, encode("a dog")))


def test_an_edit_is_neither_the_source_nor_the_plain_target(edit, sample, model, encode):
    edited = sample(*edit("a dog", "a lion"))
    for text in ("a dog", "a lion"):
        plain = sample(model, encode(text))
        assert differs(edited, plain)


def test_the_begin_token_is_counted(reweight, sample):
    """Off by one, the scale of the word would be its neighbour's."""
    of_word, of_neighbour = (sample(*reweight("a lion", word, 2.0)) for word in ("lion", "a"))
    assert not torch.allclose(of_word, of_neighbour, atol=1e-3)


@pytest.mark.parametrize("name", comfy.samplers.SAMPLER_NAMES)
def test_every_sampler_can_draw_an_edit(worded_tiny, edit, layout_of, sample, name):
    layout = layout_of("a dog", model=worded_tiny, sampler_name=name)
    edited = sample(*edit("a dog", "a lion", layout, worded_tiny), sampler_name=name)
    assert torch.isfinite(edited).all()


def test_guidance_one_and_two_rows(edit, layout_of, sample, model, encode):
    layout = layout_of("a dog", cfg=1.0)
    same = sample(*edit("a dog", "a dog", layout, cross_steps=1.0, self_steps=1.0), cfg=1.0)
    assert_close(same, sample(model, encode("a dog"), cfg=1.0))


def test_one_more_row_for_a_whole_batch(edit, sample, model, sampling):
    rows, steps = [], sampling["steps"]
    handle = model.model.diffusion_model.time_embed.register_forward_pre_hook(lambda module, inputs: rows.append(inputs[0].shape[0]))
    try:
        sample(*edit("a dog", "a lion", cross_steps=0.5, self_steps=0.5), {"samples": torch.zeros(3, 4, 8, 8)})
    finally:
        handle.remove()
    assert rows[-steps:] == [7] * (steps // 2) + [6] * (steps // 2)


def test_a_row_of_a_batch_is_the_row_alone(edit, sample):
    made = edit("a dog", "a lion")
    batch = sample(*made, {"samples": torch.zeros(2, 4, 8, 8)})
    assert_close(batch[:1], sample(*made))


def test_two_targets_share_the_sources_row(run, edit, layout_of, sample, model):
    """Two edits of one layout, combined in one run, each follow it: as one prompt of two halves would."""
    layout = layout_of("a dog")
    first_model, first = edit("a dog", "a lion", layout)
    both_model, second = edit("a dog", "a cat", layout, model=first_model)
    rows = []
    handle = model.model.diffusion_model.time_embed.register_forward_pre_hook(lambda module, inputs: rows.append(inputs[0].shape[0]))
    try:
        sample(both_model, run("ConditioningCombine", conditioning_1=first, conditioning_2=second)[0])
    finally:
        handle.remove()
    assert max(rows) == 4


def test_split_conditional_and_unconditional_calls_give_the_same(edit, sample, monkeypatch):
    made = edit("a dog", "a lion", words="lion:1.5")
    together = sample(*made)
    monkeypatch.setattr(
        comfy.model_management, "get_free_memory", lambda device=None, torch_free_too=False: (0, 0) if torch_free_too else 0
    )
    assert_close(sample(*made), together)


@pytest.mark.parametrize("name", ["attention_pytorch", "attention_split", "attention_sub_quad"])
def test_attention_kernels_agree(edit, reweight, sample, monkeypatch, name):
    made = edit("a dog", "a red dog", words="red:1.5")
    expected = sample(*made)
    monkeypatch.setattr(comfy.ldm.modules.attention, "optimized_attention", getattr(comfy.ldm.modules.attention, name))
    assert_close(sample(*made), expected, 1e-4)


def test_the_model_is_as_before_after_a_run_and_after_an_error(edit, sample, model, encode):
    before = sample(model, encode("a lion"))
    edited_model, conditioning = edit("a dog", "a lion")
    first = sample(edited_model, conditioning)
    with pytest.raises(ValueError, match="layout must have the size"):
        sample(edited_model, conditioning, {"samples": torch.zeros(1, 4, 16, 16)})
    assert torch.equal(sample(model, encode("a lion")), before)
    assert torch.equal(sample(edited_model, conditioning), first)


def test_reweighting_nodes_chain(reweight, sample):
    """Two nodes with one prompt do what one node with both words does."""
    first, _ = reweight("a red lion", "red:0.5")
    chained = sample(*reweight("a red lion", "lion:1.5", model=first))
    assert torch.equal(chained, sample(*reweight("a red lion", "red:0.5, lion:1.5")))


def test_an_unknown_word_is_refused_with_the_prompts_words(reweight, edit):
    with pytest.raises(ValueError, match="'dragon' is not a word of the prompt; its words are: a, lion"):
        reweight("a lion", "dragon")
    with pytest.raises(ValueError, match="'dragon' is not a word of the prompt"):
        edit("a dog", "a lion", words="dragon:2")


def test_local_blend_keeps_everything_else(run, sampling):
    """In the mixing sampler, with the mask as its nu: outside of it the layout's own latent comes out."""
    model, clip, _ = run("MagicMixDemoCheckpoint")
    texts = {"source_text": "a crown", "target_text": "a heart"}
    source, empty = (run("CLIPTextEncode", clip=clip, text=text)[0] for text in (texts["source_text"], ""))
    settings = sampling | {"steps": 12}
    latent = {"samples": torch.zeros(1, 4, 16, 16)}
    layout, _ = run("MagicMixLayoutFromPrompt", model=model, positive=source, negative=empty, latent=latent, **settings)
    edit = {"layout": layout, **texts, "edit": "swap", "cross_steps": 0.4, "self_steps": 0.2, "local_blend": "crown, heart"}
    edited, positive = run("PromptToPrompt", model=model, clip=clip, **edit)
    inputs = {"model": edited, "positive": positive, "negative": empty, "layout": layout}
    (mixed,) = run("MagicMixKSampler", **inputs, **settings, nu=1.0, k_max=1.0, k_min=0.0)
    moved = (mixed["samples"] - layout.samples).abs().amax(1)
    assert (moved < 1e-4).float().mean() > 0.1 and (moved > 1e-1).float().mean() > 0.1


def test_local_blend_in_a_plain_sampler_is_refused(edit, sample):
    with pytest.raises(ValueError, match="model: local_blend needs the MagicMix"):
        sample(*edit("a dog", "a lion", local_blend="dog"))
