"""Batches, masks and odd sizes, through both samplers."""

import pytest
import torch


@pytest.fixture
def ksampler(run, sd15, prompt):
    """`ksampler(LATENT, ...)`: one MagicMix run in the all-in-one node."""

    def sample(source, noise="shared", **settings):
        settings = {"nu": 0.5, "k_max": 0.6, "k_min": 0.3, "sampler_name": "euler", "seed": 4} | settings
        (layout,) = run("MagicMixLayoutNoise", latent=source, seed=4, noise=noise)
        inputs = {"model": sd15, "positive": prompt(1), "negative": prompt(0), "layout": layout, "steps": 10, "cfg": 3.0}
        return run("MagicMixKSampler", **inputs, scheduler="normal", **settings)[0]

    return sample


@pytest.fixture
def advanced(run, sd15, prompt):
    """`advanced(LATENT of the layout, LATENT of the graph, ...)`: the same mix through SamplerCustomAdvanced."""

    def sample(source, target, sampler="euler", seed=4, **settings):
        (layout,) = run("MagicMixLayoutNoise", latent=source, seed=4, noise="shared")
        (base,) = run("KSamplerSelect", sampler_name=sampler)
        (mixing,) = run("MagicMixSampler", sampler=base, layout=layout, **{"nu": 0.5, "k_max": 0.6, "k_min": 0.3} | settings)
        (guider,) = run("CFGGuider", model=sd15, positive=prompt(1), negative=prompt(0), cfg=3.0)
        (noise,) = run("RandomNoise", noise_seed=seed)
        (sigmas,) = run("BasicScheduler", model=sd15, scheduler="normal", steps=10, denoise=1.0)
        return run("SamplerCustomAdvanced", noise=noise, guider=guider, sampler=mixing, sigmas=sigmas, latent_image=target)[0]

    return sample


def rows_of(source, *rows):
    """LatentFromBatch: the rows alone, remembering which they were."""
    return {"samples": source["samples"][list(rows)], "batch_index": list(rows)}


@pytest.mark.parametrize("sampler", ["euler", "euler_ancestral", "dpmpp_2m"])
def test_both_wirings_give_the_same_bits(ksampler, advanced, latent, sampler):
    empty = {"samples": torch.zeros(2, 4, 8, 8)}
    in_one = ksampler(latent(rows=2), sampler_name=sampler)["samples"]
    assert torch.equal(advanced(latent(rows=2), empty, sampler)["samples"], in_one)


@pytest.mark.parametrize("noise", ["shared", "independent"])
def test_a_row_of_a_batch_of_layouts_is_the_row_alone(ksampler, latent, noise):
    source = latent(rows=3)
    together = ksampler(source, noise)["samples"]
    for row in range(3):
        torch.testing.assert_close(ksampler(rows_of(source, row), noise)["samples"][0], together[row], rtol=1e-4, atol=1e-4)


def test_copies_of_one_layout_get_noise_of_their_own(ksampler, latent):
    copies = ksampler({"samples": latent()["samples"].repeat(3, 1, 1, 1)})["samples"]
    assert (copies[0] - copies[1]).abs().max() > 1e-2 and (copies[1] - copies[2]).abs().max() > 1e-2


def test_one_layout_serves_a_whole_batch(advanced, latent):
    together = advanced(latent(), {"samples": torch.zeros(3, 4, 8, 8)}, "euler")["samples"]
    alone = advanced(latent(), {"samples": torch.zeros(1, 4, 8, 8)}, "euler")["samples"]
    assert together.shape[0] == 3
    for row in together:
        torch.testing.assert_close(row, alone[0], rtol=1e-4, atol=1e-4)


def test_stochastic_samplers_vary_the_rows_of_one_layout(advanced, latent):
    rows = advanced(latent(), {"samples": torch.zeros(2, 4, 8, 8)}, "euler_ancestral")["samples"]
    assert (rows[0] - rows[1]).abs().max() > 1e-2


def test_the_seed_of_the_sampler_matters_to_stochastic_samplers_only(ksampler, latent):
    assert torch.equal(ksampler(latent(), seed=1)["samples"], ksampler(latent(), seed=2)["samples"])
    stochastic = [ksampler(latent(), seed=seed, sampler_name="euler_ancestral")["samples"] for seed in (1, 2)]
    assert (stochastic[0] - stochastic[1]).abs().max() > 1e-2


@pytest.mark.parametrize("nu", [0.3, 0.77])
def test_a_map_of_one_value_is_that_nu_to_the_bit(ksampler, latent, nu):
    assert torch.equal(ksampler(latent(), nu_map=torch.full((1, 37, 53), nu))["samples"], ksampler(latent(), nu=nu)["samples"])


def test_a_batch_of_maps_makes_a_picture_for_each(ksampler, latent):
    values = [0.2, 0.5, 0.9]
    maps = torch.stack([torch.full((16, 16), nu) for nu in values])
    together = ksampler(latent(), nu_map=maps)["samples"]
    assert together.shape[0] == 3
    for row, nu in zip(together, values, strict=True):
        torch.testing.assert_close(row, ksampler(latent(), nu=nu)["samples"][0], rtol=1e-4, atol=1e-4)


def test_a_map_works_place_by_place(ksampler, latent):
    """Left nu = 1, right nu = 0.2: nearer to each run on its own side. (Attention spreads some of it.)"""
    halves = torch.ones(1, 8, 8)
    halves[..., 4:] = 0.2
    half, one, low = (ksampler(latent(), **settings)["samples"] for settings in ({"nu_map": halves}, {"nu": 1.0}, {"nu": 0.2}))
    left, right = slice(None, 3), slice(5, None)
    assert (half - one)[..., left].norm() < (half - low)[..., left].norm()
    assert (half - low)[..., right].norm() < (half - one)[..., right].norm()


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_schedules_reach_the_run(ksampler, latent, schedule):
    assert (ksampler(latent(), nu=0.2, nu_schedule=schedule)["samples"] - ksampler(latent(), nu=0.2)["samples"]).abs().max() > 1e-3


def test_a_curve_reaches_both_samplers(ksampler, advanced, latent):
    assert torch.equal(ksampler(latent(), nu=0.2, nu_curve="0.5:0.77")["samples"], ksampler(latent(), nu=0.77)["samples"])
    flat, rising = (
        advanced(latent(), {"samples": torch.zeros(1, 4, 8, 8)}, nu_curve=curve)["samples"] for curve in ("0.5:0.3", "0.6:0.3, 0.4:0.9")
    )
    assert (flat - rising).abs().max() > 1e-3


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m", "ddim"])
def test_a_noise_mask_keeps_the_layout_outside(ksampler, advanced, latent, sampler):
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 32:] = 1
    source = latent() | {"noise_mask": mask}
    runs = [ksampler(source, sampler_name=sampler), advanced(latent(), source, sampler)]
    for result in runs:
        torch.testing.assert_close(result["samples"][..., :4], source["samples"][..., :4], rtol=1e-4, atol=1e-3)
        assert (result["samples"][..., 4:] - source["samples"][..., 4:]).abs().max() > 0.1
        assert torch.equal(result["noise_mask"], mask)


@pytest.mark.parametrize(("height", "width"), [(9, 7), (5, 16), (33, 12)])
def test_sizes_that_are_not_multiples_of_64_pixels(ksampler, latent, height, width):
    result = ksampler(latent(height=height, width=width), nu_map=torch.rand(1, 50, 60))["samples"]
    assert result.shape == (1, 4, height, width) and torch.isfinite(result).all()


def test_the_layout_is_left_as_it_was(ksampler, latent):
    source = latent(rows=2)
    before = source["samples"].clone()
    ksampler(source)
    assert torch.equal(source["samples"], before) and set(source) == {"samples"}
