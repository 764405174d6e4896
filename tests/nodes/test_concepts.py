"""Maps of words that need not be in the prompt."""

import pytest
import torch
from families import FAMILIES

SETTINGS = {"seed": 5, "steps": 4, "cfg": 2.0, "sampler_name": "euler", "scheduler": "normal"}
TEXT, CONCEPTS = "a lion", "dog, teddy bear, grass"


@pytest.fixture(
    scope="module", params=["SD15", "SDXL", "Flux", "Flux2", "SD3", "QwenImage", "ZImage", "Lumina2", "PixArtAlpha", "WAN21_T2V"]
)
def built(request):
    return request.param, FAMILIES[request.param].model(request.param), FAMILIES[request.param]


@pytest.fixture
def watched(run, clip, built):
    def watch(concepts=CONCEPTS, words=""):
        inputs = {"model": built[1], "clip": clip, "text": TEXT, "words": words, "resolution": "16", "concepts": concepts}
        return run("CrossAttnRecord", **inputs)

    return watch


@pytest.fixture
def draw(sample, encode, built):
    def sample_picture(model):
        latent = built[2].latent(built[1])["samples"]
        picture = {"samples": latent[:, :, :1] if latent.ndim == 5 else latent}
        return sample(model, encode(TEXT), picture, encode(""), **SETTINGS)

    return sample_picture


def test_each_place_is_shared_out_and_the_picture_stays(watched, draw, built):
    model, recording = watched()
    assert torch.equal(draw(model), draw(built[1]))
    maps = recording.runs[-1].maps
    assert recording.words == CONCEPTS.split(", ") and maps.shape[:2] == (1, 3) and float(maps.std()) > 0
    torch.testing.assert_close(maps.sum(1), torch.ones_like(maps[:, 0]))


def test_the_concepts_are_told_apart_by_what_they_mean(watched, draw):
    model, recording = watched("dog, grass, dog bear")
    draw(model)
    dog, grass, bear = recording.runs[-1].maps[0]
    assert float((dog - grass).abs().max()) > 1e-5 and float((dog - bear).abs().max()) > 1e-6


class TestRefusals:
    @pytest.fixture(scope="class")
    def built(self):
        return "SD15", FAMILIES["SD15"].model("SD15"), FAMILIES["SD15"]

    def test_one_concept_is_refused(self, watched):
        with pytest.raises(ValueError, match="concepts must be 2 to 64, since places are shared out among them; got 1"):
            watched("dog, dog")

    def test_concepts_beside_words_are_refused(self, watched):
        with pytest.raises(ValueError, match="words must be empty where concepts are given"):
            watched("dog, grass", words="lion")


def test_concepts_cost_a_row_in_half_of_the_calls(run, clip, worded, encode, sample, unet_rows):
    model, _ = run("CrossAttnRecord", model=worded, clip=clip, text=TEXT, words="", resolution="8", concepts="dog, grass")
    sample(model, encode(TEXT), scheduler="ddim_uniform", steps=8)
    assert sorted(unet_rows) == [1] * 4 + [2] * 8
