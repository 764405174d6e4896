"""Every sampler with every scheduler that the host lists: new ones are covered by themselves."""

import comfy.samplers
import pytest
import torch

STEPS, K_MAX, K_MIN = 7, 0.7, 0.35
CHOOSES_ITS_OWN_STEPS = {"dpm_adaptive"}


@pytest.fixture
def counted(tiny):
    """The tiny model with `counted.evaluations`, the sigmas at which its UNet was called."""
    model = tiny.clone()
    model.evaluations = []

    def record(apply_model, args):
        model.evaluations.append(float(args["timestep"][0]))  # the host means sigma here
        return apply_model(args["input"], args["timestep"], **args["c"])

    model.set_model_unet_function_wrapper(record)
    return model


@pytest.fixture
def host(run, counted, prompt, latent):
    """`host(sampler, sigmas, layout)`: the core's custom sampling; returns the latent and the number of UNet calls."""

    def sample(sampler, sigmas, source):
        before = len(counted.evaluations)
        inputs = {"model": counted, "positive": prompt(1), "negative": prompt(0), "noise_seed": 5, "cfg": 1.0, "add_noise": True}
        (result,) = run("SamplerCustom", **inputs, sampler=sampler, sigmas=sigmas, latent_image=source)[:1]
        return result["samples"], len(counted.evaluations) - before

    return sample


@pytest.mark.parametrize("scheduler", comfy.samplers.SCHEDULER_NAMES)
@pytest.mark.parametrize("name", comfy.samplers.SAMPLER_NAMES)
def test_sampler_and_scheduler(run, host, counted, latent, name, scheduler):
    source = latent(height=4, width=4)
    (layout,) = run("MagicMixLayoutNoise", latent=source, seed=5, noise="shared")
    (base,) = run("KSamplerSelect", sampler_name=name)
    sampling = counted.get_model_object("model_sampling")
    sigmas = comfy.samplers.KSampler(counted, STEPS, "cpu", name, scheduler).sigmas
    # The second step starts just inside the window, the fourth just below it, wherever the scheduler puts them.
    k_max, k_min = (float(sampling.timestep(sigmas[step]) + 1) / 999 for step in (1, 3))
    executed = sigmas[sigmas <= sampling.percent_to_sigma(1 - k_max)]
    free = sigmas[sigmas <= sampling.percent_to_sigma(1 - k_min)]
    window = executed[: len(executed) - len(free) + 1]
    assert len(window) > 1 and len(free) > 1, "the test wants both mixed and free steps"

    def mixed(**settings):
        settings = {"nu": 0.5, "k_max": k_max, "k_min": k_min} | settings
        (sampler,) = run("MagicMixSampler", sampler=base, layout=layout, **settings)
        return host(sampler, sigmas.clone(), source)

    half, calls = mixed()
    assert torch.isfinite(half).all()
    assert max(counted.evaluations) <= float(executed[0]) * 1.001, "nothing is evaluated above K_max"

    # nu = 1: the core's own run from the layout. nu = 0: its own run from the layout at K_min.
    whole, whole_calls = host(base, executed.clone(), source)
    tail, tail_calls = host(base, free.clone(), source)
    nu_one, nu_one_calls = mixed(nu=1.0)
    assert torch.equal(nu_one, whole)
    assert torch.equal(mixed(nu=0.0)[0], tail)
    assert not torch.equal(half, whole) and not torch.equal(half, tail)

    if name not in CHOOSES_ITS_OWN_STEPS:
        window_calls = sum(host(base, window[i : i + 2].clone(), source)[1] for i in range(len(window) - 1))
        assert calls == window_calls + tail_calls
        assert nu_one_calls == whole_calls


@pytest.mark.parametrize("name", comfy.samplers.SAMPLER_NAMES)
def test_mixing_down_to_the_picture_itself(run, host, counted, latent, name):
    """K_min = 0 mixes the last step too, at sigma 0."""
    (layout,) = run("MagicMixLayoutNoise", latent=latent(height=4, width=4), seed=5, noise="shared")
    (base,) = run("KSamplerSelect", sampler_name=name)
    sigmas = comfy.samplers.KSampler(counted, STEPS, "cpu", name, "normal").sigmas
    (sampler,) = run("MagicMixSampler", sampler=base, layout=layout, nu=0.5, k_max=K_MAX, k_min=0.0)
    assert torch.isfinite(host(sampler, sigmas, latent(height=4, width=4))[0]).all()
    (sampler,) = run("MagicMixSampler", sampler=base, layout=layout, nu=0.0, k_max=K_MAX, k_min=0.0)
    torch.testing.assert_close(
        host(sampler, sigmas, latent(height=4, width=4))[0], latent(height=4, width=4)["samples"], rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("name", comfy.samplers.SAMPLER_NAMES)
def test_each_mixed_step_is_seeded_afresh_and_the_free_steps_by_the_run(run, counted, latent, prompt, name):
    (layout,) = run("MagicMixLayoutNoise", latent=latent(height=4, width=4), seed=5, noise="shared")
    (base,) = run("KSamplerSelect", sampler_name=name)
    function, seeds = base.sampler_function, []

    def watched(*args, **options):
        seeds.append(options["extra_args"]["seed"])
        return function(*args, **options)

    base.sampler_function = watched
    inputs = {"model": counted, "positive": prompt(1), "negative": prompt(0), "noise_seed": 9, "cfg": 1.0, "add_noise": True}
    (sampler,) = run("MagicMixSampler", sampler=base, layout=layout, nu=0.5, k_max=K_MAX, k_min=K_MIN)
    (sigmas,) = run("BasicScheduler", model=counted, scheduler="normal", steps=STEPS, denoise=1.0)
    run("SamplerCustom", **inputs, sampler=sampler, sigmas=sigmas, latent_image=latent(height=4, width=4))
    assert len(seeds) > 2 and len(set(seeds)) == len(seeds)
    assert seeds[-1] == 9
