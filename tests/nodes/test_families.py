"""What holds in every family of models that the host knows: mixing, exact and off exactly."""

import comfy.samplers
import comfy.supported_models
import pytest
import torch
from built_families import MIXED, PAIRED, SETTINGS, SHIFTED, difference, of
from families import FAMILIES


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
