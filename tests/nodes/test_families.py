"""What holds in every family of models that the host knows: mixing, exact and off exactly; edits of words and structure, or a refusal."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import comfy.samplers
import comfy.supported_models
import pytest
import torch
from families import FAMILIES, Family

SETTINGS = {"seed": 5, "steps": 4, "cfg": 2.0, "sampler_name": "euler", "scheduler": "normal"}
SHIFTED = ["HunyuanImage21Refiner"]
"""Keeps two frames of its latent in one of the network's."""
PAIRED = ["Hunyuan3Dv2_1"]
"""Sees a prompt beside a negative one only."""
MIXED = [name for name in FAMILIES if name not in SHIFTED]
EDITED = [name for name, family in FAMILIES.items() if family.edits]
UNEDITED = [name for name, family in FAMILIES.items() if not family.edits]


@dataclass
class Built:
    """A family with a small model of it; `calls` counts those of the network."""

    family: Family
    model: Any
    calls: int = 0

    def ends(self) -> dict:
        return {"model": self.model, "positive": self.family.prompt(1), "negative": self.family.prompt(0)}

    def latent(self) -> dict:
        return self.family.latent(self.model)

    def picture(self) -> dict:
        """The latent, or the first frame of a video's."""
        samples = self.latent()["samples"]
        return {"samples": samples[:, :, :1] if samples.ndim == 5 else samples}

    @property
    def has_features(self) -> bool:
        return hasattr(self.model.model.diffusion_model, "output_blocks")


@pytest.fixture(scope="module")
def built(request):
    family = FAMILIES[request.param]
    made = Built(family, family.model(request.param))

    def count(module, inputs):
        made.calls += 1

    made.model.model.diffusion_model.register_forward_pre_hook(count)
    return made


def of(*names):
    return pytest.mark.parametrize("built", *names, indirect=True)


@pytest.fixture
def noised(run, built):
    return run("MagicMixLayoutNoise", latent=built.latent(), seed=5, noise="shared")[0]


@pytest.fixture
def mixed(run, built):
    def sample(layout, **settings):
        settings = {"nu": 0.5, "k_max": 0.9, "k_min": 0.2} | settings
        return run("MagicMixKSampler", **built.ends(), **SETTINGS, layout=layout, **settings)[0]["samples"]

    return sample


@pytest.fixture
def plain(run, built):
    """The core's own sampler from the family's latent, over the schedule's sigmas from sigma(k) on."""

    def sample(k):
        sampling = built.model.get_model_object("model_sampling")
        sigmas = comfy.samplers.calculate_sigmas(sampling, "normal", SETTINGS["steps"])
        sigmas = sigmas[sigmas <= sampling.percent_to_sigma(1 - k)]
        (sampler,) = run("KSamplerSelect", sampler_name="euler")
        inputs = {"noise_seed": 5, "cfg": 2.0, "add_noise": True, "sampler": sampler, "sigmas": sigmas, "latent_image": built.latent()}
        return run("SamplerCustom", **built.ends(), **inputs)[0]["samples"]

    return sample


def difference(a, b):
    assert torch.isfinite(a).all() and torch.isfinite(b).all()
    return float((a - b).abs().max())


def test_the_table_has_every_family_of_the_host():
    assert set(FAMILIES) == {family.__name__ for family in comfy.supported_models.models}


@of(MIXED)
class TestMixing:
    def test_nu_one_is_the_plain_run_and_nu_zero_starts_from_the_layout_at_k_min(self, mixed, plain, noised):
        assert difference(mixed(noised, nu=1.0), plain(0.9)) == 0.0
        assert difference(mixed(noised, nu=0.0), plain(0.2)) == 0.0
        assert min(difference(mixed(noised), end) for end in (plain(0.9), plain(0.2))) > 1e-4

    def test_a_recorded_layout_is_the_plain_run_and_mixes(self, run, built, mixed):
        empty = {"samples": torch.zeros_like(built.latent()["samples"])}
        inputs = built.ends() | {"positive": built.family.prompt(2)} | SETTINGS
        layout, recorded = run("MagicMixLayoutFromPrompt", **inputs, latent=empty)
        (plain,) = run("KSampler", **inputs, latent_image=empty, denoise=1.0)
        assert difference(recorded["samples"], plain["samples"]) == 0.0
        assert difference(mixed(layout, k_max=1.0, nu=0.0, k_min=0.0), recorded["samples"]) < 1e-3
        assert difference(mixed(layout, k_max=1.0), recorded["samples"]) > 1e-4


@of([name for name in MIXED if name not in PAIRED])
def test_a_picture_is_followed_back_to_its_noise(run, built, mixed):
    inputs = {"model": built.model, "positive": built.family.prompt(1), "scheduler": "normal", "steps": 4, "refinements": 1}
    layout, noise = run("MagicMixLayoutInversion", **inputs, latent=built.latent())
    assert difference(noise["samples"], built.latent()["samples"]) > 1e-4
    assert torch.isfinite(mixed(layout)).all()


@of([name for name, family in FAMILIES.items() if len(family.size) == 3 and name not in SHIFTED])
def test_a_picture_is_taken_as_a_video_of_one_frame(run, built, mixed):
    frames = built.latent()["samples"]
    picture, video = ({"samples": rows} for rows in (frames[:, :, 0], frames[:, :, :1]))
    layouts = (run("MagicMixLayoutNoise", latent=latent, seed=5, noise="shared")[0] for latent in (picture, video))
    assert difference(*map(mixed, layouts)) == 0.0
    inputs = {"model": built.model, "positive": built.family.prompt(1), "scheduler": "normal", "steps": 4, "refinements": 1}
    inverted = (run("MagicMixLayoutInversion", **inputs, latent=latent)[1]["samples"] for latent in (picture, video))
    assert difference(*inverted) == 0.0


SOURCE, TARGET = "a dog on grass", "a lion on grass"


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


@of(["SD15", "HunyuanVideo", "CosmosT2V", "StableAudio"])
def test_a_latent_of_another_kind_is_refused_by_its_name(run, built, mixed):
    own = built.latent()["samples"]
    before = built.calls
    rank = {3: 4, 4: 5, 5: 3}[own.ndim]
    for samples in (torch.ones(1, own.shape[1] + 1, *own.shape[2:]), torch.ones(1, own.shape[1], *[2] * (rank - 2))):
        latent = {"samples": samples}
        with pytest.raises(ValueError, match="layout must be a latent of the model's own kind: it is"):
            mixed(run("MagicMixLayoutNoise", latent=latent, seed=5, noise="shared")[0])
        with pytest.raises(ValueError, match="latent must be a latent of the model's own kind: it is"):
            run("MagicMixLayoutFromPrompt", **built.ends(), **SETTINGS, latent=latent)
    assert built.calls == before


@of(SHIFTED)
def test_latents_of_another_shape_inside_are_refused(run, built, noised, mixed):
    inputs = {"model": built.model, "positive": built.family.prompt(1), "scheduler": "normal", "steps": 4, "refinements": 1}
    with pytest.raises(ValueError, match="model must work on its VAE's latents as they are, which HunyuanImage21Refiner does not"):
        mixed(noised)
    with pytest.raises(ValueError, match="model must work on its VAE's latents as they are"):
        run("MagicMixLayoutInversion", **inputs, latent=built.latent())
    with pytest.raises(ValueError, match="model must work on its VAE's latents as they are"):
        run("MagicMixLayoutFromPrompt", **built.ends(), **SETTINGS, latent={"samples": torch.zeros(1, 32, 2, 8, 8)})
    assert built.calls == 0


@of(PAIRED)
def test_a_guidance_of_one_is_refused_where_the_network_needs_two_prompts(run, built, noised):
    inputs = {"model": built.model, "positive": built.family.prompt(1), "scheduler": "normal", "steps": 4, "refinements": 1}
    with pytest.raises(ValueError, match="model must be able to see one prompt alone, which Hunyuan3Dv2_1 is not"):
        run("MagicMixLayoutInversion", **inputs, latent=built.latent())
    with pytest.raises(ValueError, match="model must be able to see one prompt alone"):
        mix = {"nu": 0.5, "k_max": 0.9, "k_min": 0.2}
        run("MagicMixKSampler", **built.ends(), **SETTINGS | {"cfg": 1.0}, layout=noised, **mix)


@of(MIXED)
def test_a_noise_mask_works_or_is_refused_in_words(run, built, mixed):
    latent = built.latent()
    rows = latent["samples"]
    mask = torch.ones(1, 1, *rows.shape[-2:]).tril()
    (layout,) = run("MagicMixLayoutNoise", latent=latent | {"noise_mask": mask}, seed=5, noise="shared")
    before = built.calls
    if rows.ndim < 4 or built.model.model.model_config.__class__.__name__ == "HunyuanVideo15":
        with pytest.raises(ValueError, match="latent must have no noise_mask"):
            mixed(layout)
        assert built.calls == before
    else:
        assert torch.isfinite(mixed(layout)).all()


class TestConditioningsOfAnotherFamily:
    @pytest.fixture
    def wide(self, run, sd15, prompt, latent):
        """By input: a run of each node with a prompt that is 5 wide there."""
        (layout,) = run("MagicMixLayoutNoise", latent=latent(), seed=5, noise="shared")
        odd = [[torch.zeros(1, 77, 5), {}]]
        mix = {"nu": 0.5, "k_max": 0.9, "k_min": 0.2}

        def call(node, name, odd=odd):
            ends = {"positive": prompt(1), "negative": prompt(0)} | {name: odd}
            if node == "MagicMixKSampler":
                return run(node, model=sd15, **ends, **SETTINGS, layout=layout, **mix)
            if node == "MagicMixLayoutFromPrompt":
                return run(node, model=sd15, **ends, **SETTINGS, latent=latent())
            return run(node, model=sd15, positive=ends[name], scheduler="normal", steps=4, refinements=1, latent=latent())

        return call

    NODES = ("MagicMixKSampler", "MagicMixLayoutFromPrompt", "MagicMixLayoutInversion")

    @pytest.mark.parametrize(("node", "name"), [(node, "positive") for node in NODES] + [(node, "negative") for node in NODES[:2]])
    def test_are_refused_by_the_name_of_the_input(self, wide, node, name):
        with pytest.raises(
            ValueError, match=f"{name} must be encoded by the model's own text encoder: its tokens are 5 wide, the model takes 64"
        ):
            wide(node, name)

    @pytest.mark.parametrize("node", NODES)
    def test_without_any_token_are_refused(self, wide, node):
        with pytest.raises(ValueError, match="positive must be encodings of prompts"):
            wide(node, "positive", [[torch.zeros(1, 0, 64), {}]])
