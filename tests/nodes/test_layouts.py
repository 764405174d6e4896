"""Layouts from a prompt and from an inverted image."""

import comfy.samplers
import pytest
import torch

EMPTY = {"samples": torch.zeros(1, 4, 8, 8)}
SETTINGS = {"seed": 5, "steps": 8, "cfg": 3.0}
ROUNDING = 100.0
"""Decibels above which rounding alone decides."""
CHOOSE_THEIR_OWN_LEVELS = {"dpm_fast", "dpm_adaptive"}
GRID_KEEPERS = [name for name in comfy.samplers.SAMPLER_NAMES if name not in CHOOSE_THEIR_OWN_LEVELS]


@pytest.fixture
def from_prompt(run, prompt):
    def record(model, source=EMPTY, sampler_name="euler", scheduler="normal", **settings):
        inputs = {"model": model, "positive": prompt(2), "negative": prompt(0), "latent": source} | SETTINGS | settings
        return run("MagicMixLayoutFromPrompt", **inputs, sampler_name=sampler_name, scheduler=scheduler)

    return record


@pytest.fixture
def mix(run, prompt):
    def sample(model, layout, number=1, **settings):
        inputs = {"model": model, "positive": prompt(number), "negative": prompt(0), "layout": layout} | SETTINGS
        choice = {"sampler_name": "euler", "scheduler": "normal", "nu": 0.5, "k_max": 0.6, "k_min": 0.3}
        return run("MagicMixKSampler", **inputs | choice | settings)[0]["samples"]

    return sample


@pytest.mark.parametrize("name", comfy.samplers.SAMPLER_NAMES)
def test_its_picture_is_the_core_ksamplers_to_the_bit(run, tiny, prompt, from_prompt, name):
    _, sampled = from_prompt(tiny, sampler_name=name)
    inputs = {"model": tiny, "positive": prompt(2), "negative": prompt(0), "latent_image": EMPTY, "denoise": 1.0}
    (plain,) = run("KSampler", **inputs, **SETTINGS, sampler_name=name, scheduler="normal")
    assert torch.equal(sampled["samples"], plain["samples"])


@pytest.mark.parametrize("name", comfy.samplers.SAMPLER_NAMES)
def test_the_path_has_the_noise_that_its_levels_say(run, sd15, from_prompt, name):
    """For a model of pictures that are unit noise themselves, latents at sigma have a deviation of sqrt(1 + sigma ** 2).

    Not to the percent: some samplers are not that exact, and some hosts seed ancestral noise as the starting noise. But latents
    in another scaling, or of another step, are off by factors of up to 14.
    """
    gaussian = sd15.clone()
    gaussian.set_model_unet_function_wrapper(lambda _, args: args["input"] / (1 + args["timestep"].reshape(-1, 1, 1, 1) ** 2))
    layout, _ = from_prompt(gaussian, {"samples": torch.zeros(1, 4, 32, 32)}, name, "karras", steps=20, cfg=1.0)
    assert len(layout.sigmas) > 5 and layout.sigmas[0] > 14
    spread = layout.latents.std((1, 2, 3, 4)) / (1 + layout.sigmas**2).sqrt()
    middle = spread[layout.sigmas > 0.3]
    assert middle.min() > 0.6 and middle.max() < 1.4, middle


@pytest.mark.parametrize("name", GRID_KEEPERS)
def test_the_path_is_recorded_on_the_schedules_own_levels(tiny, from_prompt, name):
    layout, _ = from_prompt(tiny, sampler_name=name)
    schedule = comfy.samplers.KSampler(tiny, SETTINGS["steps"], "cpu", name, "normal").sigmas
    assert set(layout.sigmas.tolist()) <= set(schedule.tolist())
    assert len(layout.sigmas) >= len(schedule) - 1 and layout.latents.device.type == "cpu"
    assert layout.latents.shape == (len(layout.sigmas), 1, 4, 8, 8)


@pytest.mark.parametrize("name", ["euler", "heun", "dpm_2", "dpmpp_2m", "dpmpp_sde", "euler_ancestral", "uni_pc", "dpm_adaptive"])
@pytest.mark.parametrize("content", ["euler", "heun", "dpmpp_sde"])
def test_any_path_mixes_into_any_sampler(tiny, from_prompt, mix, name, content):
    layout, sampled = from_prompt(tiny, sampler_name=name)
    mixed = mix(tiny, layout, sampler_name=content, scheduler="karras", steps=10)
    assert torch.isfinite(mixed).all()
    assert (mixed - sampled["samples"]).abs().max() > 1e-3
    assert (mixed - mix(tiny, layout, sampler_name=content, scheduler="karras", steps=10, nu=1.0)).abs().max() > 1e-3


def test_the_layouts_own_prompt_gives_the_layouts_own_picture(sd15, from_prompt, mix):
    """Started from the path and sampled with its prompt, a run stays on the path; so does every mix of the two."""
    layout, sampled = from_prompt(sd15)
    assert torch.equal(mix(sd15, layout, number=2, nu=1.0), sampled["samples"])
    torch.testing.assert_close(mix(sd15, layout, number=2, nu=0.3), sampled["samples"], rtol=1e-4, atol=1e-4)


def test_nu_zero_starts_from_the_path_at_k_min(sd15, from_prompt, mix):
    layout, _ = from_prompt(sd15)
    assert torch.equal(mix(sd15, layout, nu=0.0), mix(sd15, layout, k_max=0.3))


def test_text_text_mixing_calls_the_unet_for_the_layouts_and_the_contents_steps_only(sd15, from_prompt, mix):
    calls = []
    counted = sd15.clone()

    def count(apply_model, args):
        calls.append(1)
        return apply_model(args["input"], args["timestep"], **args["c"])

    counted.set_model_unet_function_wrapper(count)
    layout, _ = from_prompt(counted)
    assert len(calls) == 8
    mix(counted, layout)
    executed = comfy.samplers.KSampler(sd15, 8, "cpu", "euler", "normal").sigmas
    executed = executed[executed <= sd15.get_model_object("model_sampling").percent_to_sigma(0.4)]
    assert len(calls) == 8 + len(executed) - 1


def test_one_recorded_layout_serves_a_batch_of_nus(sd15, from_prompt, mix):
    layout, _ = from_prompt(sd15)
    maps = torch.stack([torch.full((8, 8), nu) for nu in (0.3, 0.8)])
    together = mix(sd15, layout, nu_map=maps)
    for row, nu in zip(together, (0.3, 0.8), strict=True):
        torch.testing.assert_close(row, mix(sd15, layout, nu=nu)[0], rtol=1e-4, atol=1e-4)


def test_a_batch_of_prompts_layouts_mixes_row_by_row(sd15, from_prompt, mix):
    layout, sampled = from_prompt(sd15, {"samples": torch.zeros(2, 4, 8, 8)})
    assert mix(sd15, layout).shape == (2, 4, 8, 8)
    assert (sampled["samples"][0] - sampled["samples"][1]).abs().max() > 1e-2


def test_a_path_of_another_model_family_is_refused(sd15, sdxl, from_prompt, mix):
    layout, _ = from_prompt(sd15)
    with pytest.raises(ValueError, match="layout was recorded on SD15 latents, the model works on SDXL: record it with this model"):
        mix(sdxl, layout)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"steps": 0}, r"steps must lie in \[1, 10000\]"),
        ({"sampler_name": "eulre"}, "sampler_name must be one of"),
        ({"scheduler": "even"}, "scheduler must be one of"),
        ({"cfg": float("nan")}, r"cfg must lie in \[0, 100\]"),
    ],
)
def test_wrong_input_is_refused(sd15, from_prompt, bad, message):
    with pytest.raises(ValueError, match=message):
        from_prompt(sd15, **bad)


class TestInversion:
    @pytest.fixture(params=["eps", "v", "flow", "sdxl"])
    def model(self, request, run, tiny):
        if request.param == "v":
            return run("ModelSamplingDiscrete", model=tiny, sampling="v_prediction", zsnr=False)[0]
        if request.param == "flow":
            return run("ModelSamplingSD3", model=tiny, shift=3.0)[0]
        return request.getfixturevalue({"eps": "tiny", "sdxl": "tiny_sdxl"}[request.param])

    @pytest.fixture
    def invert(self, run, prompt, latent):
        def follow(model, source=None, **settings):
            settings = {"steps": 20, "scheduler": "normal", "refinements": 2} | settings
            return run("MagicMixLayoutInversion", model=model, positive=prompt(1), latent=source or latent(), **settings)

        return follow

    def test_sampling_the_same_prompt_at_guidance_one_returns_the_image(self, model, invert, mix, latent):
        """Through the layout: K_max = 1 starts from the noise, nu = 1 mixes nothing in. (PSNR over the latent's own range.)"""
        psnr = []
        for refinements in (0, 4, 12):
            layout, _ = invert(model, refinements=refinements)
            again = mix(model, layout, nu=1.0, k_max=1.0, cfg=1.0, steps=20)
            image = latent()["samples"]
            measured = 10 * float(torch.log10((image.max() - image.min()) ** 2 / (again - image).square().mean()))
            psnr.append(min(measured, ROUNDING))
        assert psnr == sorted(psnr) and psnr[-1] > 50

    def test_the_noise_output_becomes_the_image_in_the_cores_sampler(self, run, sd15, invert, prompt, latent):
        _, noise = invert(sd15, refinements=12)
        (sigmas,) = run("BasicScheduler", model=sd15, scheduler="normal", steps=20, denoise=1.0)
        (euler,) = run("KSamplerSelect", sampler_name="euler")
        inputs = {"model": sd15, "positive": prompt(1), "negative": prompt(0), "noise_seed": 0, "cfg": 1.0, "add_noise": False}
        result = run("SamplerCustom", **inputs, sampler=euler, sigmas=sigmas, latent_image=noise)[0]["samples"]
        torch.testing.assert_close(result, latent()["samples"], rtol=0, atol=0.1)

    def test_the_path_runs_from_the_noise_to_the_image(self, sd15, invert, latent):
        layout, noise = invert(sd15)
        torch.testing.assert_close(layout.latents[-1], latent()["samples"] * 0.18215)
        torch.testing.assert_close(layout.latents[0], noise["samples"] * 0.18215)
        assert torch.equal(layout.samples, latent()["samples"]) and layout.latents.device.type == "cpu"

    def test_it_mixes(self, sd15, invert, mix):
        layout, _ = invert(sd15)
        assert (mix(sd15, layout, number=2) - mix(sd15, layout, number=2, nu=1.0)).abs().max() > 1e-3

    def test_an_image_that_is_not_finite_is_refused(self, sd15, invert, latent):
        source = latent()
        source["samples"][0, 0, 0, 0] = float("nan")
        with pytest.raises(ValueError, match="latent must hold finite numbers only, got 1 of 256"):
            invert(sd15, source)

    def test_a_noise_mask_does_not_bend_the_path(self, sd15, invert, latent):
        masked = latent() | {"noise_mask": torch.zeros(1, 1, 8, 8)}
        assert torch.equal(invert(sd15, masked)[0].latents, invert(sd15)[0].latents)
