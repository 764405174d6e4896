"""The steps that the page counts are those that the samplers run, skip and mix."""

import sys

import comfy.samplers
import pytest
import torch
from comfy_server import PACK

KS = [(0.6, 0.3), (1.0, 0.0), (0.85, 0.35), (0.5, 0.5), (0.01, 0.0), (0.333, 0.123)]


@pytest.fixture(scope="module")
def loaded(run):
    """`loaded("nodes.host.samplers")`: a module of the pack as the host has loaded it."""
    return lambda name: sys.modules[f"{str(PACK).replace('.', '_x_')}.{name}"]


@pytest.fixture(scope="module")
def levels(loaded):
    return lambda **asked: loaded("nodes.host.page_routes").steps_answer(asked)["levels"]


@pytest.fixture(scope="module")
def counted(loaded, sd15):
    """`counted(sigmas, k_max, k_min)`: (skipped, mixed, free) steps of a run with these settings."""
    samplers = loaded("nodes.host.samplers")

    def count(sigmas, k_max, k_min):
        window = samplers.MixingSampler.window(
            type("Window", (), {"k_max": k_max, "k_min": k_min}), sd15.get_model_object("model_sampling")
        )
        executed = window.executed(sigmas)
        mixed = window.mixed_steps(executed)
        return len(sigmas) - len(executed), mixed, len(executed) - 1 - mixed

    return count


def by_levels(levels, k_max, k_min):
    """The same as web/js/schedule.js counts it, which tests/browser holds to this."""
    skipped = min(sum(level > k_max for level in levels) if k_max < 1 else 0, len(levels) - 1)
    executed = levels[skipped:]
    mixed = sum(level > k_min for level in executed[:-1])
    return skipped, mixed, len(executed) - 1 - mixed


@pytest.mark.parametrize("scheduler", comfy.samplers.SCHEDULER_NAMES)
@pytest.mark.parametrize("sampler", ["euler", "dpm_2", "uni_pc"])
def test_the_page_counts_as_the_sampler_does(levels, counted, loaded, sd15, sampler, scheduler):
    for steps in (2, 7, 20, 50, 150) if scheduler == "kl_optimal" else (1, 2, 7, 20, 50, 150):
        sigmas = loaded("nodes.host.samplers").sigmas_of(sd15, sampler, scheduler, steps)
        shown = levels(steps=steps, scheduler=scheduler, sampler_name=sampler)
        for k_max, k_min in KS:
            assert by_levels(shown, k_max, k_min) == counted(sigmas, k_max, k_min), (steps, k_max, k_min)


def test_a_schedule_of_basic_scheduler_is_counted_too(levels, counted, run, sd15):
    for denoise in (1.0, 0.7, 0.4):
        (sigmas,) = run("BasicScheduler", model=sd15, scheduler="karras", steps=20, denoise=denoise)
        shown = levels(steps=20, scheduler="karras", denoise=denoise)
        assert [by_levels(shown, *k) for k in KS] == [counted(sigmas, *k) for k in KS]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"steps": 0, "scheduler": "karras"},
        {"steps": 1001, "scheduler": "karras"},
        {"steps": True, "scheduler": "karras"},
        {"steps": 20.5, "scheduler": "karras"},
        {"steps": 1, "scheduler": "kl_optimal"},
        {"steps": 20, "scheduler": "none"},
        {"steps": 20, "scheduler": "karras", "sampler_name": "none"},
        {"steps": 20, "scheduler": "karras", "denoise": 0.0},
        {"steps": 20, "scheduler": "karras", "denoise": float("nan")},
    ],
)
def test_what_is_asked_wrongly_is_refused(levels, asked):
    with pytest.raises(ValueError, match="must|makes no noise levels"):
        levels(**asked)


def test_levels_are_fractions_of_the_timesteps(levels):
    shown = torch.tensor(levels(steps=50, scheduler="ddim_uniform"))
    torch.testing.assert_close(shown, torch.tensor([*range(981, 0, -20), 0]) / 999, atol=1e-4, rtol=0)
