"""Prompt-to-Prompt between prompts whose encodings are not of one length, on networks without a UNet."""

import pytest
import torch
from closeness import assert_close, differs, relative_distance
from explicit_attention import Explicit, attending, maps_of
from small_text_encoders import LongAndShort, reading_for
from small_transformers import APART, SETTINGS, again

SHORT, ALIKE = "a dog on grass", "a lion on grass"
LONG = "a very, very long lion on wonderfully green grass, and all that is said about it" * 3
LONGER = LONG * 3
"""Than the 128 tokens up to which HiDream's texts are filled."""


@pytest.fixture
def lengthened(run, built, empty):
    """`lengthened(target, ...)`: an edit of SHORT drawn, the latent of its layout, and the edit itself."""
    clip = reading_for(built.family, LongAndShort())

    def draw(target, cfg=2.0, rows=1, **steps):
        ends = {name: run("CLIPTextEncode", clip=clip, text=text)[0] for name, text in (("positive", SHORT), ("negative", ""))}
        settings = SETTINGS | {"cfg": cfg}
        layout, latent = run("MagicMixLayoutFromPrompt", model=built.model, **ends, **settings, latent=empty)
        texts = {"source_text": SHORT, "target_text": target, "edit": "auto"}
        choice = {"cross_steps": 1.0, "self_steps": 1.0} | steps
        model, positive = run("PromptToPrompt", model=built.model, clip=clip, layout=layout, **texts, **choice)
        batch = {"samples": torch.cat([empty["samples"]] * rows)}
        inputs = {"model": model, "positive": positive, "negative": ends["negative"], "latent_image": batch, "denoise": 1.0} | settings
        return run("KSampler", **inputs)[0]["samples"], latent["samples"], positive[0][1]["magicmix_steering"][0]

    return draw


@pytest.mark.parametrize("built", ["QwenImage", "Lumina2", "ZImage", "Flux", "HiDream", "PixArtAlpha", "PixArtSigma"], indirect=True)
class TestPromptsOfOtherLengths:
    """The layout's prompt cannot stand in a row beside a longer one: it is seen in a call of its own, with the same result."""

    def test_the_source_as_target_is_the_layout(self, lengthened):
        drawn, layout, _ = lengthened(SHORT, cfg=1.0)
        assert_close(drawn, layout)

    @pytest.fixture
    def long(self, built):
        return LONGER if built.name == "HiDream" else LONG

    def test_a_longer_prompt_is_edited(self, built, lengthened, long):
        drawn, layout, _ = lengthened(long)
        plain, _, _ = lengthened(long, cross_steps=0.0, self_steps=0.0)
        assert differs(drawn, plain, 1e-5) and differs(drawn, layout, 1e-5)
        if built.name not in (*APART, "HiDream"):
            nearer = relative_distance(drawn, layout) < relative_distance(plain, layout)
            assert nearer or relative_distance(plain, layout) < 1e-3

    def test_a_prompt_of_the_same_length_needs_no_call_of_its_own(self, lengthened, calls, long):
        lengthened(ALIKE)
        same = [len(arguments[0]) for arguments, _, _ in calls]
        calls.clear()
        lengthened(long)
        assert 3 not in [len(arguments[0]) for arguments, _, _ in calls] and len(calls) > len(same)


@pytest.mark.parametrize("built", ["Flux", "HiDream", "PixArtSigma"], indirect=True)
def test_one_layout_of_another_length_serves_a_batch(run, built, lengthened, empty):
    """Its first picture is the one that is drawn alone."""
    one, two = (lengthened(LONGER, rows=rows)[0] for rows in (1, 2))
    assert_close(two[:1], one)
    assert differs(two[1:], one)


@pytest.mark.parametrize(
    "built, target",
    [("HiDream", LONGER), *((name, target) for name in ("PixArtAlpha", "PixArtSigma") for target in (LONGER, "lion"))],
    indirect=["built"],
)
def test_maps_of_a_source_of_another_length_are_the_explicit_ones(built, lengthened, empty, calls, monkeypatch, target):
    _, _, edit = lengthened(target)
    seen, edited = [call for call in calls if call[1]["options"]["cond_or_uncond"] == [0]][-2:]
    sources = []

    def note(q, k, v):
        sources.append((q[0], k[0]))
        return maps_of(q, k) @ v.double()

    with attending(monkeypatch, built.network, note):
        again(built, seen)
    governed = (edit.cross_until > 0).double()

    def cross(q, k, v, row):
        mapped, own = edit.mapping * governed @ v[row], v[row] * (1 - governed)[:, None]
        return maps_of(*sources.pop(0)) @ mapped + maps_of(q[row], k[row]) @ own

    def itself(q, k, v, row):
        return maps_of(*sources.pop(0)) @ v[row]

    def joint(q, k, v, row, picture, text):
        source_q, source_k = sources.pop(0)
        return maps_of(source_q[:, picture], torch.cat([source_k[:, picture], k[row, :, text]], 1)) @ v[row]

    explicit = Explicit(built, empty, 0, cross=cross, itself=itself, joint=joint)
    with attending(monkeypatch, built.network, explicit):
        expected = again(built, edited)
    assert explicit.changed and not sources
    assert relative_distance(edited[2], expected) <= 1e-5 < relative_distance(edited[2], again(built, edited))
