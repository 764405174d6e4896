"""Edits on networks without a UNet, against attention maps that are made, changed and applied in the network's own layers."""

import sys
import zlib
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import comfy.ldm.modules.attention
import comfy.text_encoders.z_image
import pytest
import torch
from closeness import assert_close, differs, relative_distance
from families import FAMILIES, WIDTH

SETTINGS = {"seed": 5, "steps": 2, "cfg": 2.0, "sampler_name": "euler", "scheduler": "normal"}
SOURCE, TARGET = "a dog on grass", "a lion on grass"
JOINT = ("Flux", "FluxSchnell", "FluxInpaint", "Flux2", "Chroma", "SD3", "QwenImage", "Lumina2", "ZImage")
APART = ("WAN21_T2V", "WAN22_T2V", "WAN21_I2V", "CosmosT2IPredict2")
DEEPER = {"num_layers": 2, "n_layers": 2, "num_blocks": 2, "depth": 2}
"""In a first block the picture is the same for all rows of a first step: what is taken from the layout shows behind it."""
ATTENTIONS = ("optimized_attention", "optimized_attention_masked")
LION = 2
"""The column of the word that is changed."""


@pytest.fixture(scope="module")
def built(request):
    """A family's small model, whose prompts matter."""
    family = FAMILIES[request.param]
    deeper = {name: DEEPER[name] for name in DEEPER if name in family.config and request.param != "SD3"}
    family = replace(family, config=family.config | deeper)
    model = family.model(request.param)
    return SimpleNamespace(name=request.param, family=family, model=model, network=model.model.diffusion_model)


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


def maps_of(q, k):
    return (q.double() @ k.double().mT * q.shape[-1] ** -0.5).softmax(-1)


@contextmanager
def attending(monkeypatch, network, explicit):
    """The network's layers attend by `explicit(q, k, v) -> [B, heads, N, d]`."""

    def attention(q, k, v, heads, mask=None, *rest, skip_reshape=False, skip_output_reshape=False, **options):
        if not skip_reshape:
            q, k, v = (tensor.reshape(*tensor.shape[:2], heads, -1).transpose(1, 2) for tensor in (q, k, v))
        out = explicit(q, k, v).to(v)
        return out if skip_output_reshape else out.transpose(1, 2).flatten(2)

    modules = {type(module).__module__ for module in network.modules()}
    with monkeypatch.context() as patch:
        for name in [*modules, "comfy.ldm.flux.math", "comfy.ldm.modules.attention"]:
            for function in ATTENTIONS:
                if hasattr(sys.modules.get(name), function):
                    patch.setattr(sys.modules[name], function, attention)
        yield


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


def tokens_of(built, length, places):
    """Where the picture stands in a joint attention of so many tokens, and where the 77 tokens of the prompt; None for another one."""
    before = {"Flux2": 512, "ZImage": 96}.get(built.name, 77)
    after = 16 if built.name == "ZImage" else 0  # both are filled up to a multiple of 32
    if length != before + places + after:
        return None
    return slice(before, before + places), slice(435, 512) if built.name == "Flux2" else slice(0, 77)


def places_of(built, empty):
    height, width = empty["samples"].shape[-2:]
    patch = 1 if built.name == "Flux2" else 2
    return height * width // patch**2


def edited_rows(call, front):
    """The rows of the positive prompt, behind `front` rows of a layout."""
    order = call[1]["options"]["cond_or_uncond"]
    return front + order.index(0)


class Explicit:
    """Attention as it is, but what `change` makes of one row's maps and values where the picture looks."""

    def __init__(self, built, empty, row, **change):
        self.built, self.row, self.change = built, row, change
        self.places, self.changed, self.crossed = places_of(built, empty), 0, 0

    def __call__(self, q, k, v):
        out = maps_of(q, k) @ v.double()
        queries, keys = q.shape[2], k.shape[2]
        if queries == keys == self.places:
            return self._apart(out, q, k, v, self.change.get("itself"))
        if queries == self.places:
            self.crossed += 1
            of_a_picture = self.built.name == "WAN21_I2V" and self.crossed % 2  # each block looks at its first picture first
            return out if of_a_picture else self._apart(out, q, k, v, self.change.get("cross"))
        if queries == keys and "joint" in self.change and (tokens := tokens_of(self.built, queries, self.places)):
            picture, text = tokens
            self.changed += 1
            out[self.row, :, picture] = self.change["joint"](q, k, v.double(), self.row, picture, text)
        return out

    def _apart(self, out, q, k, v, change):
        if change is not None:
            self.changed += 1
            out[self.row] = change(q, k, v.double(), self.row)
        return out


SCALE = 3.0


def scaled(v, column, offset=0):
    v = v.clone()
    v[..., offset + column, :] *= SCALE
    return v


def joint_weights(q, k, v, row, picture, text):
    return maps_of(q[row, :, picture], k[row]) @ scaled(v[row], LION, text.start)


def cross_weights(q, k, v, row):
    return maps_of(q[row], k[row]) @ scaled(v[row], LION)


def joint_swap(q, k, v, row, picture, text):
    """The layout's queries and keys of the picture, row 0."""
    keys = k[row].clone()
    keys[:, picture] = k[0, :, picture]
    return maps_of(q[0, :, picture], keys) @ v[row]


def sources_map(q, k, v, row):
    return maps_of(q[0], k[0]) @ v[row]


@pytest.mark.parametrize("built", [*JOINT, *APART], indirect=True)
class TestAgainstExplicitMaps:
    def check(self, built, empty, calls, monkeypatch, front, **change):
        (call,) = calls[-1:]
        row = edited_rows(call, front)
        explicit = Explicit(built, empty, row, **change)
        with attending(monkeypatch, built.network, explicit):
            expected = again(built, call)
        assert explicit.changed
        assert relative_distance(call[2][row], expected[row]) <= 1e-5
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


class LongAndShort:
    """A text encoder whose encodings are as long as the prompt is, as Z-Image's and Qwen-Image's are."""

    def __init__(self):
        self.tokenizer = comfy.text_encoders.z_image.ZImageTokenizer()
        self.tokenize = self.tokenizer.tokenize_with_weights

    def encode_from_tokens_scheduled(self, tokens):
        (chunk,) = tokens["qwen3_4b"]
        rows = [torch.randn(WIDTH, generator=torch.Generator().manual_seed(zlib.crc32(repr(token[0]).encode()))) for token in chunk]
        return [[torch.stack(rows)[None], {"pooled_output": torch.zeros(1, 128)}]]


@pytest.mark.parametrize("built", ["QwenImage", "Lumina2", "ZImage", "Flux"], indirect=True)
class TestPromptsOfOtherLengths:
    """The layout's prompt cannot stand in a row beside a longer one: it is seen in a call of its own, with the same result."""

    TEXTS = ("a dog on grass", "a lion on grass", "a very, very long lion on wonderfully green grass, and all that is said about it" * 3)

    @pytest.fixture
    def edited(self, run, built, empty):
        clip = LongAndShort()

        def draw(target, cfg=2.0, **steps):
            ends = {
                "positive": run("CLIPTextEncode", clip=clip, text=self.TEXTS[0])[0],
                "negative": run("CLIPTextEncode", clip=clip, text="")[0],
            }
            settings = SETTINGS | {"cfg": cfg}
            layout, latent = run("MagicMixLayoutFromPrompt", model=built.model, **ends, **settings, latent=empty)
            texts = {"source_text": self.TEXTS[0], "target_text": target, "edit": "auto"}
            choice = {"cross_steps": 1.0, "self_steps": 1.0} | steps
            model, positive = run("PromptToPrompt", model=built.model, clip=clip, layout=layout, **texts, **choice)
            inputs = {"model": model, "positive": positive, "negative": ends["negative"], "latent_image": empty, "denoise": 1.0} | settings
            return run("KSampler", **inputs)[0]["samples"], latent["samples"]

        return draw

    def test_the_source_as_target_is_the_layout(self, edited):
        assert_close(*edited(self.TEXTS[0], cfg=1.0))

    def test_a_longer_prompt_is_edited(self, edited, calls):
        drawn, layout = edited(self.TEXTS[2])
        plain, _ = edited(self.TEXTS[2], cross_steps=0.0, self_steps=0.0)
        assert differs(drawn, plain, 1e-5) and differs(drawn, layout, 1e-5)
        nearer = relative_distance(drawn, layout) < relative_distance(plain, layout)
        assert nearer or relative_distance(plain, layout) < 1e-3

    def test_a_prompt_of_the_same_length_needs_no_call_of_its_own(self, edited, calls):
        edited(self.TEXTS[1])
        same = [len(arguments[0]) for arguments, _, _ in calls]
        calls.clear()
        edited(self.TEXTS[2])
        assert 3 not in [len(arguments[0]) for arguments, _, _ in calls] and len(calls) > len(same)


@pytest.mark.parametrize("built", ["Flux", "SD3", "WAN21_T2V"], indirect=True)
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


@pytest.mark.parametrize("built", ["Flux", "Flux2", "SD3", "QwenImage", "ZImage", "WAN21_T2V"], indirect=True)
def test_maps_are_of_the_words_and_of_the_pictures_size(run, built, clip, draw, encode):
    model, recording = run("CrossAttnRecord", model=built.model, clip=clip, text=TARGET, words="lion, grass", resolution="16")
    drawn = draw(model, encode(TARGET))
    maps = recording.runs[-1].maps
    side = 8 if built.name == "Flux2" else 4
    assert maps.shape == (1, 2, side, side) and float(maps.min()) > 0 and float(maps.amax()) < 1
    assert torch.equal(drawn, draw(built.model, encode(TARGET)))


@pytest.mark.parametrize("built", ["Flux", "QwenImage", "WAN21_T2V"], indirect=True)
def test_a_local_blend_keeps_the_rest(run, built, clip, layout, encode):
    texts = {"source_text": SOURCE, "target_text": TARGET, "edit": "swap", "cross_steps": 0.8, "self_steps": 0.4}
    model, positive = run("PromptToPrompt", model=built.model, clip=clip, layout=layout, **texts, local_blend="dog, lion")
    inputs = {"model": model, "positive": positive, "negative": encode(""), "layout": layout, "nu": 1.0, "k_max": 1.0, "k_min": 0.0}
    blended = run("MagicMixKSampler", **inputs, **SETTINGS | {"steps": 4})[0]["samples"]
    assert torch.isfinite(blended).all()
