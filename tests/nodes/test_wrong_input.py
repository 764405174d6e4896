"""Wrong input is refused before the UNet is called, in words that name it."""

import logging

import pytest
import torch

NAN, INF = float("nan"), float("inf")


@pytest.fixture
def untouched(sd15):
    """A model whose UNet must not be called."""
    model = sd15.clone()

    def refuse(apply_model, args):
        raise AssertionError("the UNet was called")

    model.set_model_unet_function_wrapper(refuse)
    return model


@pytest.fixture
def ksampler(run, untouched, prompt, latent):
    def sample(source=None, **settings):
        (layout,) = run("MagicMixLayoutNoise", latent=source or latent(), seed=4, noise="shared")
        defaults = {
            "seed": 0,
            "steps": 10,
            "cfg": 3.0,
            "sampler_name": "euler",
            "scheduler": "normal",
            "nu": 0.5,
            "k_max": 0.6,
            "k_min": 0.3,
        }
        return run("MagicMixKSampler", model=untouched, positive=prompt(1), negative=prompt(0), layout=layout, **defaults | settings)

    return sample


@pytest.fixture
def advanced(run, untouched, prompt, latent):
    def sample(source=None, target=None, base=None, **settings):
        (layout,) = run("MagicMixLayoutNoise", latent=source or latent(), seed=4, noise="shared")
        base = base or run("KSamplerSelect", sampler_name="euler")[0]
        (mixing,) = run("MagicMixSampler", sampler=base, layout=layout, **{"nu": 0.5, "k_max": 0.6, "k_min": 0.3} | settings)
        (sigmas,) = run("BasicScheduler", model=untouched, scheduler="normal", steps=10, denoise=1.0)
        inputs = {"model": untouched, "positive": prompt(1), "negative": prompt(0), "noise_seed": 5, "cfg": 1.0, "add_noise": True}
        return run("SamplerCustom", **inputs, sampler=mixing, sigmas=sigmas, latent_image=target or latent())

    return sample


BOTH = [
    ({"nu": 1.5}, r"nu must lie in \[0, 1\], got 1.5"),
    ({"nu": NAN}, r"nu must lie in \[0, 1\], got nan"),
    ({"nu": -INF}, r"nu must lie in \[0, 1\], got -inf"),
    ({"k_max": NAN}, r"k_max must lie in \[0, 1\], got nan"),
    ({"k_min": -0.1}, r"k_min must lie in \[0, 1\], got -0.1"),
    ({"k_min": 0.7}, "k_min must not be above k_max, got k_min 0.7 and k_max 0.6"),
    ({"nu_schedule": "steep"}, "nu_schedule must be one of constant, linear, cosine; got 'steep'"),
    ({"nu_map": torch.full((1, 8, 8), 1.2)}, r"nu_map must lie in \[0, 1\], got 1.2"),
    ({"nu_map": torch.full((1, 8, 8), NAN)}, r"nu_map must lie in \[0, 1\], got nan"),
]
KSAMPLER_ONLY = [
    ({"steps": 0}, r"steps must lie in \[1, 10000\], got 0"),
    ({"cfg": INF}, r"cfg must lie in \[0, 100\], got inf"),
    ({"sampler_name": "eulre"}, "sampler_name must be one of euler, .*; got 'eulre'"),
    ({"scheduler": "plain"}, "scheduler must be one of .*; got 'plain'"),
]


@pytest.mark.parametrize(("settings", "message"), BOTH + KSAMPLER_ONLY)
def test_the_ksampler_refuses(ksampler, settings, message):
    with pytest.raises(ValueError, match=message):
        ksampler(**settings)


@pytest.mark.parametrize(("settings", "message"), BOTH)
def test_the_sampler_refuses(advanced, settings, message):
    with pytest.raises(ValueError, match=message):
        advanced(**settings)


@pytest.mark.parametrize("bad", [NAN, INF])
def test_a_latent_that_is_not_finite_is_refused(run, latent, bad):
    source = latent()
    source["samples"][0, 0, 0, :2] = bad
    with pytest.raises(ValueError, match="latent must hold finite numbers only, got 2 of 256 that are NaN or infinite"):
        run("MagicMixLayoutNoise", latent=source, seed=0, noise="shared")


def test_an_unknown_kind_of_noise_is_refused(run, latent):
    with pytest.raises(ValueError, match="noise must be one of shared, independent; got 'loud'"):
        run("MagicMixLayoutNoise", latent=latent(), seed=0, noise="loud")


def test_a_layout_of_another_channel_count_is_refused(ksampler, advanced, latent):
    with pytest.raises(ValueError, match="layout must be a latent of the model's own kind: it is 16 x 8 x 8, the model works on 4 x 8 x 8"):
        ksampler(latent(channels=16))
    with pytest.raises(ValueError, match="layout must be a latent of the model's own kind: it is 16 x 8 x 8, the model works on 4 x 8 x 8"):
        advanced(latent(channels=16))


def test_a_layout_of_another_size_is_refused(advanced, latent):
    with pytest.raises(
        ValueError, match="layout must have the size of the latent that is sampled: it is 4 x 8 x 8, the latent is 4 x 8 x 12"
    ):
        advanced(target=latent(width=12))


def test_a_layout_of_another_batch_is_refused(advanced, latent):
    with pytest.raises(ValueError, match="layout must hold 1 picture or as many as the latent that is sampled, 3; got 2"):
        advanced(source=latent(rows=2), target=latent(rows=3))


def test_a_nu_map_of_another_batch_is_refused(ksampler, advanced, latent):
    maps = torch.full((2, 8, 8), 0.5)
    with pytest.raises(ValueError, match="nu_map must hold 1 picture or as many as the latent that is sampled, 3; got 2"):
        ksampler(latent(rows=3), nu_map=maps)
    with pytest.raises(ValueError, match="nu_map must hold 1 picture or as many as the latent that is sampled, 1; got 2"):
        advanced(nu_map=maps)


def test_a_sampler_that_already_mixes_is_refused(run, advanced, latent):
    (layout,) = run("MagicMixLayoutNoise", latent=latent(), seed=4, noise="shared")
    (base,) = run("KSamplerSelect", sampler_name="euler")
    (mixing,) = run("MagicMixSampler", sampler=base, layout=layout, nu=0.5, k_max=0.6, k_min=0.3)
    with pytest.raises(ValueError, match="sampler must be a plain one, got one that already mixes a layout"):
        advanced(base=mixing)


def test_a_sampler_without_steps_is_refused(advanced):
    with pytest.raises(ValueError, match="sampler must work step by step, as those of KSamplerSelect do; got object"):
        advanced(base=object())


def test_a_window_without_steps_is_no_error_but_warns(run, sd15, prompt, latent, caplog):
    (layout,) = run("MagicMixLayoutNoise", latent=latent(), seed=4, noise="shared")
    inputs = {"model": sd15, "positive": prompt(1), "negative": prompt(0), "layout": layout, "seed": 0, "steps": 4, "cfg": 1.0}
    with caplog.at_level(logging.WARNING):
        (result,) = run("MagicMixKSampler", **inputs, sampler_name="euler", scheduler="normal", nu=0.5, k_max=0.6, k_min=0.59)
    assert torch.isfinite(result["samples"]).all()
    assert "no step lies between k_max 0.6 and k_min 0.59" in caplog.text
