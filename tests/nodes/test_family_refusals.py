"""What families of models refuse before the network is called: latents and conditionings of another one, what it cannot do."""

import pytest
import torch
from built_families import PAIRED, SETTINGS, SHIFTED, of


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


@of(["SD3", "Lumina2"])
def test_prompts_of_another_width_are_refused_by_their_name(built, mixed, noised):
    odd = {"negative": [[torch.zeros(1, 7, 5), built.family.prompt(0)[0][1]]]}
    with pytest.raises(ValueError, match="negative must be encoded by the model's own text encoder: its tokens are 5 wide"):
        mixed(noised, **odd)
    assert built.calls == 0


@of(["SD3", "SDXL"])
def test_a_prompt_without_its_vector_is_refused_by_its_name(built, mixed, noised):
    with pytest.raises(
        ValueError, match="positive must be encoded by the model's own text encoder: it lacks the vector of the whole prompt"
    ):
        mixed(noised, positive=[[built.family.prompt(1)[0][0], {}]])
    assert built.calls == 0


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
