"""Edits on networks without a UNet, against attention maps that are made, changed and applied in the network's own layers."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from closeness import assert_close, differs, relative_distance
from explicit_attention import (
    SCALE,
    Explicit,
    attending,
    cross_weights,
    edited_rows,
    joint_swap,
    joint_weights,
    maps_of,
    sources_map,
)
from families import FAMILIES
from small_text_encoders import LongAndShort, reading_for

SETTINGS = {"seed": 5, "steps": 2, "cfg": 2.0, "sampler_name": "euler", "scheduler": "normal"}
SOURCE, TARGET = "a dog on grass", "a lion on grass"
JOINT = ("Flux", "FluxSchnell", "FluxInpaint", "Flux2", "Chroma", "SD3", "QwenImage", "Lumina2", "ZImage", "HiDream")
APART = ("WAN21_T2V", "WAN22_T2V", "WAN21_I2V", "CosmosT2IPredict2", "PixArtAlpha", "PixArtSigma")
EXACT = tuple(f"{name} in float64" for name in ("HiDream", "PixArtAlpha", "PixArtSigma"))
DEEPER = {"num_layers": 2, "num_single_layers": 2, "llama_layers": [0, 1, 1, 0], "n_layers": 2, "num_blocks": 2, "depth": 2}
"""In a first block the picture is the same for all rows of a first step: what is taken from the layout shows behind it."""


@pytest.fixture(scope="module")
def built(request):
    """A family's small model, whose prompts matter."""
    name, _, exact = request.param.partition(" in ")
    family = FAMILIES[name]
    deeper = {setting: DEEPER[setting] for setting in DEEPER if setting in family.config and name != "SD3"}
    family = replace(family, config=family.config | deeper)
    model = family.model(name)
    network = model.model.diffusion_model
    if exact:
        network.to(torch.float64).dtype = torch.float64
    return SimpleNamespace(name=name, family=family, model=model, network=network)


@pytest.fixture
def clip(clip, built):
    """The demo checkpoint's text encoder, or one of HiDream's kind."""
    return reading_for(built.family, clip)


@pytest.fixture
def encode(run, clip):
    return lambda text: run("CLIPTextEncode", clip=clip, text=text)[0]


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


def again(built, call):
    """The same call of the network without anything that steers it."""
    arguments, named, _ = call
    with torch.no_grad():
        return built.network(*arguments, **{name: value for name, value in named.items() if name != "options"}, transformer_options={})


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
