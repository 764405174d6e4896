"""A mix whose nu finds itself."""

import copy

import comfy.model_management
import latent_preview
import pytest
import torch
from closeness import assert_close, differs


@pytest.fixture(scope="module")
def demo(run):
    model, clip, vae = run("MagicMixDemoCheckpoint")
    return {"model": model, "clip": clip, "vae": vae}


@pytest.fixture
def inputs(run, demo):
    """Those that Balance and the sampler share: a mushroom's colours under a rabbit."""
    picture = torch.linspace(0, 1, 64).expand(1, 64, 64)[..., None] * torch.tensor([0.9, 0.3, 0.2])
    latent = {"samples": demo["vae"].encode(picture)}
    (layout,) = run("MagicMixLayoutNoise", latent=latent, seed=3, noise="shared")
    positive, negative = (run("CLIPTextEncode", clip=demo["clip"], text=text)[0] for text in ("a rabbit", ""))
    sampling = {"seed": 3, "steps": 4, "cfg": 3.0, "sampler_name": "euler", "scheduler": "ddim_uniform", "k_max": 0.9, "k_min": 0.3}
    return {"model": demo["model"], "positive": positive, "negative": negative, "layout": layout} | sampling


@pytest.fixture
def balanced(run, demo, inputs):
    return lambda **more: run("MagicMixBalance", **inputs | {"vae": demo["vae"], "target": 0.5, "tries": 5} | more)


def test_its_picture_is_the_one_of_the_nu_that_it_gives(run, inputs, balanced):
    latent, nu, _ = balanced()
    (mixed,) = run("MagicMixKSampler", **inputs, nu=nu)
    assert 0 < nu < 1
    assert_close(latent["samples"], mixed["samples"])


def test_the_same_inputs_give_the_same_bits(balanced):
    (first, nu, sheet), (again, same, other) = balanced(), balanced()
    assert nu == same and torch.equal(first["samples"], again["samples"]) and torch.equal(sheet, other)


def test_more_of_the_layout_takes_a_lower_nu(balanced):
    nus = [balanced(target=target)[1] for target in (0.0, 0.3, 0.9)]
    assert nus[0] == 1 and nus[0] > nus[1] > nus[2]


def test_it_runs_one_after_the_other_where_memory_is_short(balanced, monkeypatch):
    together, nu, _ = balanced()
    monkeypatch.setattr(
        comfy.model_management, "get_free_memory", lambda device=None, torch_free_too=False: (0, 0) if torch_free_too else 0
    )
    alone, same, _ = balanced()
    assert nu == pytest.approx(same, abs=1e-3)
    assert_close(alone["samples"], together["samples"])


def test_the_sampler_is_asked_for_as_many_runs_as_there_are_tries(balanced, monkeypatch):
    seen, steps = [], []

    def prepare(model, count):
        steps.append(count)
        return lambda step, denoised, x, total: seen.append((step, total))

    monkeypatch.setattr(latent_preview, "prepare_callback", prepare)
    balanced(tries=5)
    assert steps == [20] and {total for _, total in seen} == {20}
    assert [step for step, _ in seen] == sorted(step for step, _ in seen) and seen[-1] == (19, 20)


def test_its_options_reach_the_mix(balanced):
    plain = balanced()[0]["samples"]
    assert differs(balanced(nu_schedule="linear")[0]["samples"], plain)


@pytest.mark.parametrize(
    "size, said",
    [
        ((2, 4, 8, 8), "layout must be one picture for its balance to be found, got numbers in 2 x 4 x 8 x 8"),
        ((1, 64, 20), "layout must be one picture for its balance to be found, got numbers in 1 x 64 x 20"),
        ((1, 16, 8, 8), "layout"),
    ],
)
def test_a_layout_of_anything_else_than_one_picture_is_refused(run, balanced, size, said):
    (layout,) = run("MagicMixLayoutNoise", latent={"samples": torch.rand(size)}, seed=3, noise="shared")
    with pytest.raises(ValueError, match=said):
        balanced(layout=layout)


def test_what_is_not_finite_or_not_of_the_model_is_refused(balanced, inputs, demo):
    of_another = copy.copy(demo["vae"])
    of_another.latent_channels = 16
    with pytest.raises(ValueError, match="vae must be the model's own, for latents of 4 channels; got one for 16"):
        balanced(vae=of_another)
    model = inputs["model"].clone()
    model.set_model_sampler_post_cfg_function(lambda arguments: arguments["denoised"] * float("nan"))
    with pytest.raises(ValueError, match="model, positive, negative and cfg must together give a picture of finite numbers"):
        balanced(model=model)


def test_a_window_without_a_step_is_one_picture(balanced):
    """Nothing is mixed, so every try is the content."""
    _, nu, _ = balanced(k_max=0.3)
    assert nu == 1
