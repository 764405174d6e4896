"""Mistakes of wiring and of settings, said where they are made."""

import comfy.model_management
import pytest
import torch


@pytest.fixture
def said(caplog):
    """`said(call)`: what the call says in warnings."""

    def listen(call):
        caplog.clear()
        call()
        return [record.message.removeprefix("MagicMix: ") for record in caplog.records if record.levelname == "WARNING"]

    return listen


def test_a_right_graph_says_nothing(said, edit, sample, follow, encode):
    assert said(lambda: sample(*edit())) == []
    assert said(lambda: sample(follow(), encode("a lion"))) == []


def test_a_model_without_its_conditioning(said, edit, sample, encode):
    model, _ = edit()
    (text,) = said(lambda: sample(model, encode("a lion")))
    assert text.startswith("the model carries an edit of a prompt that is not sampled here")


def test_a_conditioning_without_its_model_in_a_mixing_sampler(said, run, edit, worded, encode, layout, sampling):
    _, positive = edit()
    inputs = {"model": worded, "positive": positive, "negative": encode(""), "layout": layout, "nu": 0.5, "k_max": 1.0, "k_min": 0.3}
    (text,) = said(lambda: run("MagicMixKSampler", **inputs, **sampling))
    assert text.startswith("the conditioning carries an edit that the model does not")


@pytest.mark.parametrize("kind", ["words", "features"])
def test_other_noise_than_the_layouts(said, edit, sample, follow, encode, layout, kind):
    model, positive = edit(layout=layout) if kind == "words" else (follow(layout), encode("a lion"))
    (text,) = said(lambda: sample(model, positive, seed=6))
    assert text.startswith("sampling starts from other noise than the layout's")


def test_a_second_stage_need_not_start_as_the_layout(said, run, edit, encode, sampling):
    model, positive = edit()
    latent = {"samples": torch.ones(1, 4, 8, 8)}
    inputs = {"model": model, "positive": positive, "negative": encode(""), "latent_image": latent, "denoise": 0.7}
    assert said(lambda: run("KSampler", **inputs, **sampling | {"scheduler": "simple"}))[0].startswith(
        "steps or scheduler are not the layout's"
    )
    assert len(said(lambda: run("KSampler", **inputs, **sampling))) <= 1


@pytest.mark.parametrize("settings", [{"steps": 9}, {"scheduler": "karras"}])
def test_other_steps_than_the_layouts(said, edit, sample, settings):
    assert any(text.startswith("steps or scheduler are not the layout's") for text in said(lambda: sample(*edit(), **settings)))


def test_an_edit_that_ends_before_the_first_step(said, run, edit, encode, sampling):
    model, positive = edit(cross_steps=0.3, self_steps=0.2)
    inputs = {"model": model, "positive": positive, "negative": encode(""), "latent_image": {"samples": torch.ones(1, 4, 8, 8)}}
    texts = said(lambda: run("KSampler", **inputs, **sampling, denoise=0.4))
    assert any(text.startswith("the edit ends before this sampler's first step") for text in texts)


def test_a_source_text_unlike_the_layouts(said, edit, layout):
    (text,) = said(lambda: edit("a cat", "a lion", layout))
    assert "source_text is not the prompt that the layout was made with, from 'cat' on" in text and "{a|b}" in text


def test_noise_over_a_picture_has_no_prompt_to_edit(run, edit):
    (layout,) = run("MagicMixLayoutNoise", latent={"samples": torch.ones(1, 4, 8, 8)}, seed=1, noise="shared")
    with pytest.raises(ValueError, match="layout must come from MagicMix Layout From Prompt or Layout Inversion"):
        edit("a dog", "a lion", layout)


def test_a_layouts_noise_leaves_the_global_generator_alone(run, worded, encode, sampling):
    (layout,) = run("MagicMixLayoutNoise", latent={"samples": torch.ones(1, 4, 8, 8)}, seed=1, noise="independent")
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    layout.start_noise()
    assert torch.equal(torch.rand(1), expected)


def test_a_recording_of_another_text_names_the_first_word_that_differs(run, worded, clip, encode, sample):
    model, _ = run("CrossAttnRecord", model=worded, clip=clip, text="a red lion", words="", resolution="8")
    with pytest.raises(ValueError, match="text must be the prompt that is sampled.*differs from 'lion' on.*chosen anew in every node"):
        sample(model, encode("a red tiger"))


def test_rows_of_the_layout_are_in_the_hosts_memory_estimate(edit, sample, monkeypatch):
    model, positive = edit()
    shapes = []
    required = model.model.memory_required
    monkeypatch.setattr(model.model, "memory_required", lambda shape, **more: shapes.append(shape[0]) or required(shape, **more))
    sample(model, positive)
    assert shapes[:2] == [4, 2]


def test_little_memory_is_spared_by_one_prompt_after_the_other(edit, sample, unet_rows, monkeypatch):
    made = edit(cross_steps=1.0, self_steps=1.0)
    whole = sample(*made)
    unet_rows.clear()
    room = made[0].model.memory_required([3, 4, 8, 8]) * 1.5

    def short(device=None, torch_free_too=False):
        return (room, room) if torch_free_too else room

    monkeypatch.setattr(comfy.model_management, "get_free_memory", short)
    split = sample(*made)
    assert sorted(unet_rows) == [1] * 6 + [2] * 6  # the layout's row is only needed with the edited prompt
    torch.testing.assert_close(split, whole, rtol=1e-4, atol=1e-4)


def test_a_layout_without_any_prompt_is_unlike_every_source_text(said, run, edit, worded, encode, sampling):
    inputs = {"model": worded, "positive": [], "negative": encode(""), "latent": {"samples": torch.zeros(1, 4, 8, 8)}}
    layout, _ = run("MagicMixLayoutFromPrompt", **inputs | sampling)
    assert said(lambda: edit("a dog", "a lion", layout))[0].startswith("edit: swap\nsource_text is not the prompt")
