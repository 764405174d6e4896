"""Edits of words and structure in every family of models that the host knows, or their refusal."""

from functools import cache

import pytest
import torch
from built_families import EDITED, SETTINGS, SHIFTED, UNEDITED, difference, of
from small_text_encoders import reading_for

SOURCE, TARGET = "a dog on grass", "a lion on grass"


@pytest.fixture
def clip(clip, built):
    return reading_for(built.family, clip)


@pytest.fixture
def masked(built):
    """`masked(conditioning)`: with the mask that some text encoders give along, where the family wants one."""
    more = {"attention_mask": torch.ones(1, 77, dtype=torch.long)} if built.family.masked else {}
    return lambda conditioning: [[context, entries | more] for context, entries in conditioning]


@pytest.fixture
def edited(run, clip, encode, built, masked):
    """By node: `edited[node](on)` is a (MODEL, CONDITIONING or None) of the family's model, edited or with the edit off."""

    @cache
    def layout():
        inputs = {"model": built.model, "positive": masked(encode(SOURCE)), "negative": masked(encode(""))}
        return run("MagicMixLayoutFromPrompt", **inputs, **SETTINGS, latent=built.picture())[0]

    def reweight(on):
        return run("CrossAttnReweight", model=built.model, clip=clip, text=TARGET, words="lion", scale=5.0 if on else 1.0)

    def prompt_to_prompt(on):
        steps = {"cross_steps": 0.8, "self_steps": 0.4} if on else {"cross_steps": 0.0, "self_steps": 0.0}
        texts = {"source_text": SOURCE, "target_text": TARGET, "edit": "auto"}
        return run("PromptToPrompt", model=built.model, clip=clip, layout=layout(), **texts, **steps)

    def features(on):
        blocks = {"attention_blocks": "0-1" if built.has_features else "0", "feature_blocks": "0"}
        steps = {"attention_steps": 0.8 * on, "feature_steps": 0.8 * on * built.has_features}
        return *run("PlugAndPlayFeatures", model=built.model, layout=layout(), **steps, **blocks), None

    def record(on):
        return run("CrossAttnRecord", model=built.model, clip=clip, text=TARGET, words="lion", resolution="8")[0], None

    return {"CrossAttnReweight": reweight, "PromptToPrompt": prompt_to_prompt, "PlugAndPlayFeatures": features, "CrossAttnRecord": record}


@pytest.fixture
def drawn(sample, encode, built, masked):
    def draw(model, conditioning=None):
        return sample(model, masked(conditioning or encode(TARGET)), built.picture(), masked(encode("")), **SETTINGS)

    return draw


CHANGING = ("CrossAttnReweight", "PromptToPrompt", "PlugAndPlayFeatures")


@of(EDITED)
class TestEdits:
    def test_edits_change_the_picture_and_are_off_exactly(self, edited, drawn, built):
        plain = drawn(built.model)
        for node in CHANGING:
            if node == "PromptToPrompt" and built.family.masked:
                with pytest.raises(ValueError, match="masks what is behind a prompt, so maps and Prompt-to-Prompt do not work with it"):
                    drawn(*edited[node](True))
            else:
                assert difference(drawn(*edited[node](True)), plain) > 1e-5, node
            assert difference(drawn(*edited[node](False)), plain) == 0.0, node

    def test_recording_changes_nothing(self, edited, drawn, built):
        if built.family.masked:
            with pytest.raises(ValueError, match="masks what is behind a prompt"):
                drawn(*edited["CrossAttnRecord"](True))
            return
        assert difference(drawn(*edited["CrossAttnRecord"](True)), drawn(built.model)) == 0.0


REFUSED = "model must be one whose words and attention can be steered"


@of(UNEDITED)
@pytest.mark.parametrize("node", ["CrossAttnReweight", "CrossAttnRecord"])
def test_words_are_refused_before_the_network_is_called(edited, drawn, built, node):
    before = built.calls
    with pytest.raises(ValueError, match=REFUSED):
        drawn(*edited[node](True))
    assert built.calls == before


@of([name for name in UNEDITED if name not in SHIFTED])
def test_a_layouts_attention_is_refused_before_the_network_is_called(run, clip, drawn, built):
    latent = {"samples": torch.zeros_like(built.latent()["samples"])}
    layout, _ = run("MagicMixLayoutFromPrompt", **built.ends(), **SETTINGS, latent=latent)
    before = built.calls
    texts = {"source_text": SOURCE, "target_text": TARGET, "edit": "auto", "cross_steps": 0.8, "self_steps": 0.4}
    with pytest.raises(ValueError, match=REFUSED):
        drawn(*run("PromptToPrompt", model=built.model, clip=clip, layout=layout, **texts))
    with pytest.raises(ValueError, match=REFUSED):
        run("PlugAndPlayFeatures", model=built.model, layout=layout, attention_steps=0.5, feature_steps=0.5)
    assert built.calls == before
