"""Off is off, bit for bit, in every family of models; and on does something."""

import comfy.samplers
import pytest
import torch

STEPS = 8


def vprediction(tiny, run):
    return run("ModelSamplingDiscrete", model=tiny, sampling="v_prediction", zsnr=False)[0]


def zero_terminal_snr(tiny, run):
    return run("ModelSamplingDiscrete", model=tiny, sampling="v_prediction", zsnr=True)[0]


def flow(tiny, run):
    return run("ModelSamplingSD3", model=tiny, shift=3.0)[0]


@pytest.fixture(params=["eps", vprediction, zero_terminal_snr, "sdxl", flow], ids=["eps", "v", "zero-snr", "sdxl", "flow"])
def model(request, tiny, run):
    if callable(request.param):
        return request.param(tiny, run)
    return request.getfixturevalue({"eps": "tiny", "sdxl": "tiny_sdxl"}[request.param])


@pytest.fixture(params=["shared", "independent"])
def layout(request, run, latent):
    return run("MagicMixLayoutNoise", latent=latent(rows=2), seed=5, noise=request.param)[0]


@pytest.fixture
def mixed(run, model, prompt, layout):
    def sample(sampler="euler", **settings):
        settings = {"nu": 0.5, "k_max": 0.6, "k_min": 0.3} | settings
        inputs = {"model": model, "positive": prompt(1), "negative": prompt(0), "layout": layout, "seed": 5, "steps": STEPS, "cfg": 3.0}
        return run("MagicMixKSampler", **inputs, sampler_name=sampler, scheduler="normal", **settings)[0]["samples"]

    return sample


@pytest.fixture
def plain(run, model, prompt, layout):
    """The core's own sampler from the layout, over the schedule's sigmas from sigma(k) on."""

    def sample(k, sampler="euler"):
        sampling = model.get_model_object("model_sampling")
        sigmas = comfy.samplers.calculate_sigmas(sampling, "normal", STEPS)
        sigmas = sigmas[sigmas <= sampling.percent_to_sigma(1 - k)]
        inputs = {"model": model, "positive": prompt(1), "negative": prompt(0), "noise_seed": 5, "cfg": 3.0, "add_noise": True}
        (core_sampler,) = run("KSamplerSelect", sampler_name=sampler)
        return run("SamplerCustom", **inputs, sampler=core_sampler, sigmas=sigmas, latent_image=layout.latent)[0]["samples"]

    return sample


def difference(a, b):
    assert torch.isfinite(a).all() and torch.isfinite(b).all()
    return float((a - b).abs().max())


@pytest.mark.parametrize("sampler", ["euler", "euler_ancestral", "dpmpp_2m", "dpmpp_sde"])
class TestIdentities:
    def test_nu_one_is_the_plain_run_from_the_layout(self, mixed, plain, layout, sampler):
        if layout.noise == "shared":  # the core's noise is the layout's only then
            assert difference(mixed(sampler, nu=1.0), plain(0.6, sampler)) == 0.0
        assert difference(mixed(sampler, nu=1.0), mixed(sampler, k_min=0.6)) == 0.0

    def test_k_max_equal_to_k_min_is_the_plain_run_from_the_layout(self, mixed, plain, layout, sampler):
        if layout.noise == "shared":
            assert difference(mixed(sampler, k_max=0.45, k_min=0.45), plain(0.45, sampler)) == 0.0
        assert difference(mixed(sampler, k_max=0.45, k_min=0.45), mixed(sampler, nu=1.0, k_max=0.45)) == 0.0

    def test_nu_zero_starts_from_the_layout_at_k_min(self, mixed, plain, layout, sampler):
        if layout.noise == "shared":
            assert difference(mixed(sampler, nu=0.0), plain(0.3, sampler)) == 0.0
        assert difference(mixed(sampler, nu=0.0), mixed(sampler, k_max=0.3)) == 0.0


def test_a_mix_differs_from_the_content_the_layout_and_its_own_neighbours(mixed, layout):
    runs = [layout.samples, mixed(nu=0.0), mixed(nu=0.4), mixed(nu=0.6), mixed(nu=1.0)]
    for number, one in enumerate(runs):
        for other in runs[number + 1 :]:
            assert difference(one, other) > 1e-4


def test_the_same_inputs_give_the_same_bits(mixed):
    first = mixed("dpmpp_2m_sde")
    mixed("euler", nu=0.2)
    assert difference(mixed("dpmpp_2m_sde"), first) == 0.0


def test_a_start_from_pure_noise_is_the_cores_start(mixed, plain, layout):
    """At the highest sigma the host scales noise in a way of its own."""
    if layout.noise == "shared":
        assert difference(mixed(nu=1.0, k_max=1.0), plain(1.0)) == 0.0
    assert difference(mixed(k_max=1.0, k_min=0.9), mixed()) > 1e-4


def test_k_zero_returns_the_layout(mixed, layout):
    torch.testing.assert_close(mixed(k_max=0.0, k_min=0.0), layout.samples, rtol=1e-6, atol=1e-5)


def test_restoring_the_variance_changes_a_mix_of_different_noises(mixed, layout):
    assert difference(mixed("euler_ancestral", restore_variance=True), mixed("euler_ancestral")) > 1e-3
    assert difference(mixed("euler_ancestral", restore_variance=True, nu=1.0), mixed("euler_ancestral", nu=1.0)) == 0.0


def test_a_layout_without_colour_is_treated_as_the_core_treats_an_empty_latent(run, model, prompt):
    """The host does not shift an empty latent into the model's range; nor do we."""
    (empty,) = run("MagicMixLayoutNoise", latent={"samples": torch.zeros(1, 4, 8, 8)}, seed=5, noise="shared")
    inputs = {"model": model, "positive": prompt(1), "negative": prompt(0), "seed": 5, "steps": STEPS, "cfg": 3.0}
    choice = {"sampler_name": "euler", "scheduler": "normal"}
    (mixed,) = run("MagicMixKSampler", **inputs, **choice, layout=empty, nu=1.0, k_max=1.0, k_min=0.3)
    (plain,) = run("KSampler", **inputs, **choice, latent_image=empty.latent, denoise=1.0)
    assert difference(mixed["samples"], plain["samples"]) == 0.0
