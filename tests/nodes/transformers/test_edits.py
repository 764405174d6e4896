"""Edits on networks without a UNet, against attention maps that are made, changed and applied in the network's own layers."""

import sys

import pytest
import torch
from closeness import assert_close, relative_distance
from explicit_attention import SCALE, Explicit, attending, cross_weights, edited_rows, joint_swap, joint_weights, sources_map
from small_transformers import APART, JOINT, SETTINGS, SOURCE, TARGET, again

EXACT = tuple(f"{name} in float64" for name in ("HiDream", "PixArtAlpha", "PixArtSigma"))


@pytest.mark.parametrize("built", [*JOINT, *APART, *EXACT], indirect=True)
class TestAgainstExplicitMaps:
    def check(self, built, empty, calls, monkeypatch, front, **change):
        (call,) = calls[-1:]
        row = edited_rows(call, front)
        explicit = Explicit(built, empty, row, **change)
        with attending(monkeypatch, built.network, explicit):
            expected = again(built, call)
        assert explicit.changed
        assert relative_distance(call[2][row], expected[row]) <= (1e-10 if call[2].dtype == torch.float64 else 1e-5)
        plain = again(built, call)
        assert relative_distance(call[2][row], plain[row]) > 1e-5

    def test_a_words_weight(self, run, built, clip, draw, empty, calls, monkeypatch):
        model, positive = run("CrossAttnReweight", model=built.model, clip=clip, text=TARGET, words="lion", scale=SCALE)
        draw(model, positive, steps=1)
        self.check(built, empty, calls, monkeypatch, 0, joint=joint_weights, cross=cross_weights)

    def test_a_swapped_word(self, run, built, clip, layout, draw, empty, calls, monkeypatch):
        texts = {"source_text": SOURCE, "target_text": TARGET, "edit": "swap", "cross_steps": 1.0, "self_steps": 1.0}
        draw(*run("PromptToPrompt", model=built.model, clip=clip, layout=layout, **texts), steps=1)
        self.check(built, empty, calls, monkeypatch, 1, joint=joint_swap, cross=sources_map, itself=sources_map)

    def test_a_layouts_structure(self, run, built, encode, layout, draw, empty, calls, monkeypatch):
        (model,) = run("PlugAndPlayFeatures", model=built.model, layout=layout, attention_steps=1.0, feature_steps=0.0)
        draw(model, encode(TARGET), steps=1)
        self.check(built, empty, calls, monkeypatch, 1, joint=joint_swap, itself=sources_map)


@pytest.mark.parametrize("built", [*JOINT, *APART], indirect=True)
class TestIdentities:
    def test_the_source_as_target_is_the_layout(self, run, built, clip, encode, empty, draw):
        inputs = {"model": built.model, "positive": encode(SOURCE), "negative": encode("")} | SETTINGS | {"cfg": 1.0}
        layout, latent = run("MagicMixLayoutFromPrompt", **inputs, latent=empty)
        texts = {"source_text": SOURCE, "target_text": SOURCE, "edit": "swap", "cross_steps": 1.0, "self_steps": 1.0}
        edited = run("PromptToPrompt", model=built.model, clip=clip, layout=layout, **texts)
        assert_close(draw(*edited, cfg=1.0), latent["samples"])

    def test_a_layout_that_keeps_what_edits_read_draws_the_same(self, run, built, clip, encode, empty, draw, calls):
        inputs = {"model": built.model, "positive": encode(SOURCE), "negative": encode("")} | SETTINGS
        texts = {"source_text": SOURCE, "target_text": TARGET, "edit": "swap", "cross_steps": 1.0, "self_steps": 1.0}
        drawn = []
        for keep in ("off", "both"):
            layout = run("MagicMixLayoutFromPrompt", **inputs, latent=empty, keep=keep)[0]
            model, positive = run("PromptToPrompt", model=built.model, clip=clip, layout=layout, **texts)
            (model,) = run("PlugAndPlayFeatures", model=model, layout=layout, attention_steps=0.5, feature_steps=0.0)
            drawn.append(draw(model, positive))
            assert len(calls[-1][0][0]) == (3 if keep == "off" else 2)
        assert_close(*drawn)


@pytest.mark.parametrize("built", ["Flux", "SD3", "WAN21_T2V", "PixArtSigma"], indirect=True)
def test_another_packs_override_stays_the_kernel(run, built, clip, draw):
    """The host has one place for it: ours calls what stood there."""
    seen = []

    def override(func, *arguments, **options):
        seen.append(len(arguments[0]))
        return func(*arguments, **options)

    patched = built.model.clone()
    patched.model_options["transformer_options"]["optimized_attention_override"] = override
    drawn = [
        draw(*run("CrossAttnReweight", model=model, clip=clip, text=TARGET, words="lion", scale=SCALE)) for model in (patched, built.model)
    ]
    assert seen and torch.equal(*drawn)


@pytest.mark.parametrize("built", ["Flux", "SD3"], indirect=True)
class TestBlocksOfOtherPacks:
    @pytest.fixture
    def weighted(self, run, built, clip, draw):
        """`weighted(replacement)`: a re-weighted run of a model whose first block another pack has replaced."""

        def sample(replacement):
            patched = built.model.clone()
            patched.set_model_patch_replace(replacement, "dit", "double_block", 0)
            return draw(*run("CrossAttnReweight", model=patched, clip=clip, text=TARGET, words="lion", scale=SCALE))

        return sample

    def test_one_that_is_left_out_is_no_attention(self, weighted):
        assert torch.isfinite(weighted(lambda args, more: args)).all()

    def test_one_that_attends_by_itself_is_refused(self, weighted, monkeypatch):
        """It would be left as it is without a word."""

        def attend(q, k, v, *rest, **options):
            return q.transpose(1, 2).flatten(2) if options.get("skip_reshape") else q

        def replacement(args, more):
            with monkeypatch.context() as patch:
                for module in ("comfy.ldm.flux.math", "comfy.ldm.modules.diffusionmodules.mmdit"):
                    patch.setattr(sys.modules[module], "optimized_attention", attend)
                return more["original_block"](args)

        with pytest.raises(ValueError, match="model: attention in block 0 does not go through ComfyUI's, so it cannot be steered"):
            weighted(replacement)


@pytest.mark.parametrize("built", ["Flux", "ZImage"], indirect=True)
def test_a_models_features_are_refused_where_it_has_none(run, built, layout):
    with pytest.raises(ValueError, match="feature_steps must be 0 for this model, got 0.8: it has no features to take, only attention"):
        run("PlugAndPlayFeatures", model=built.model, layout=layout, attention_steps=0.5, feature_steps=0.8)


@pytest.mark.parametrize("built", ["WAN21_T2V"], indirect=True)
def test_maps_of_a_video_are_refused(run, built, clip, sample, encode):
    model, _ = run("CrossAttnRecord", model=built.model, clip=clip, text=TARGET, words="lion", resolution="8")
    with pytest.raises(ValueError, match="latent must be one picture where maps of words are read, got 2 frames"):
        sample(model, encode(TARGET), built.family.latent(built.model), encode(""), **SETTINGS)


@pytest.mark.parametrize("built", ["Flux", "Flux2", "SD3", "QwenImage", "ZImage", "HiDream", "WAN21_T2V", "PixArtAlpha"], indirect=True)
def test_maps_are_of_the_words_and_of_the_pictures_size(run, built, clip, draw, encode):
    model, recording = run("CrossAttnRecord", model=built.model, clip=clip, text=TARGET, words="lion, grass", resolution="16")
    drawn = draw(model, encode(TARGET))
    maps = recording.runs[-1].maps
    side = {"Flux2": 8, "PixArtAlpha": 20}.get(built.name, 4)
    assert maps.shape == (1, 2, side, side) and float(maps.min()) > 0 and float(maps.amax()) < 1
    assert torch.equal(drawn, draw(built.model, encode(TARGET)))


@pytest.mark.parametrize("built", ["Flux", "QwenImage", "HiDream", "WAN21_T2V", "PixArtSigma"], indirect=True)
def test_a_local_blend_keeps_the_rest(run, built, clip, layout, encode):
    texts = {"source_text": SOURCE, "target_text": TARGET, "edit": "swap", "cross_steps": 0.8, "self_steps": 0.4}
    model, positive = run("PromptToPrompt", model=built.model, clip=clip, layout=layout, **texts, local_blend="dog, lion")
    inputs = {"model": model, "positive": positive, "negative": encode(""), "layout": layout, "nu": 1.0, "k_max": 1.0, "k_min": 0.0}
    blended = run("MagicMixKSampler", **inputs, **SETTINGS | {"steps": 4})[0]["samples"]
    assert torch.isfinite(blended).all()
