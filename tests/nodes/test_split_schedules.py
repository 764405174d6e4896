"""A schedule that is split over several samplers draws what it draws whole: progress counts on the model's own noise axis.

Up to the rounding of the latent that the host hands from one sampler to the next, which a plain run has too.
"""

import itertools

import pytest
import torch
from closeness import assert_close

ADVANCED = {"add_noise": "enable", "return_with_leftover_noise": "enable", "start_at_step": 0, "end_at_step": 10000}


@pytest.fixture
def staged(run, encode, sampling):
    """`staged(model, positive, 0, 3, 6)`: KSamplerAdvanced from step to step."""

    def draw(model, positive, *stops):
        settings = {key: value for key, value in sampling.items() if key != "seed"} | {"noise_seed": sampling["seed"]}
        latent = {"samples": torch.zeros(1, 4, 8, 8)}
        for first, last in itertools.pairwise(stops):
            choice = ADVANCED | {"start_at_step": first, "end_at_step": last, "add_noise": "disable" if first else "enable"}
            inputs = {"model": model, "positive": positive, "negative": encode(""), "latent_image": latent}
            (latent,) = run("KSamplerAdvanced", **inputs, **settings | choice)
        return latent["samples"]

    return draw


@pytest.fixture
def split(run, encode, sampling):
    """`split(model, positive, 3)`: SamplerCustomAdvanced over both parts of a schedule split there, or over the whole at None."""

    def draw(model, positive, step):
        (guider,) = run("CFGGuider", model=model, positive=positive, negative=encode(""), cfg=sampling["cfg"])
        (sampler,) = run("KSamplerSelect", sampler_name="euler")
        (sigmas,) = run("BasicScheduler", model=model, scheduler="ddim_uniform", steps=10, denoise=1.0)
        parts = [sigmas] if step is None else run("SplitSigmas", sigmas=sigmas, step=step)
        latent = {"samples": torch.zeros(1, 4, 8, 8)}
        (noise,) = run("RandomNoise", noise_seed=sampling["seed"])
        for part in parts:
            inputs = {"noise": noise, "guider": guider, "sampler": sampler, "sigmas": part, "latent_image": latent}
            latent, _ = run("SamplerCustomAdvanced", **inputs)
            (noise,) = run("DisableNoise")
        return latent["samples"]

    return draw


@pytest.fixture(params=["words", "features"])
def made(request, edit, follow, encode):
    return edit(cross_steps=0.5, self_steps=0.5) if request.param == "words" else (follow(), encode("a lion"))


@pytest.mark.parametrize("stops", [(0, 2, 6), (0, 3, 6), (0, 1, 4, 6)])
def test_stages_of_ksampler_advanced_are_the_whole_run(made, staged, stops):
    assert_close(staged(*made, *stops), staged(*made, 0, 6), 1e-6)


@pytest.mark.parametrize("step", [2, 5, 7])
def test_split_sigmas_are_the_whole_run(made, split, step):
    assert_close(split(*made, step), split(*made, None), 1e-6)
