"""FlowEdit in the host: its guidance, masks, batches, families; what it is refused for."""

import comfy.model_management
import comfy.samplers
import pytest
import torch
from closeness import assert_close, differs
from families import FAMILIES

SETTINGS = {"seed": 5, "steps": 10, "source_cfg": 1.5, "target_cfg": 4.0, "scheduler": "simple", "k_max": 0.7, "k_min": 0.0}
"""Seven of ten steps."""


@pytest.fixture(scope="module")
def flow(run, tiny):
    """A flow-matching model of one resolution."""
    return run("ModelSamplingSD3", model=tiny, shift=3.0)[0]


@pytest.fixture
def edit(run, flow, prompt, latent):
    picture = latent()

    def draw(model=flow, source=1, target=2, negative=None, latent=picture, **settings):
        prompts = [prompt(each) if isinstance(each, int) else each for each in (source, target)]
        inputs = {"source": prompts[0], "target": prompts[1], "negative": negative or prompt(0), "latent": latent}
        return run("MagicMixFlowEdit", model=model, **inputs, **SETTINGS | settings)[0]["samples"]

    return draw


@pytest.fixture
def calls(flow):
    """How many rows there are in each call of the network."""
    rows = []
    network = flow.model.diffusion_model
    handle = network.time_embed.register_forward_pre_hook(lambda module, inputs: rows.append(len(inputs[0])))
    yield rows
    handle.remove()


class Denoised(comfy.samplers.Sampler):
    """Gives what the model makes of one latent at one noise level."""

    def __init__(self, x, sigma):
        self.x, self.sigma = x, sigma

    def sample(self, model_wrap, sigmas, extra_args, callback, noise, latent_image=None, denoise_mask=None, disable_pbar=False):
        self.result = model_wrap(self.x, self.sigma * torch.ones(len(self.x)), **extra_args)
        return latent_image


def test_each_prompt_is_asked_with_its_own_guidance(run, flow, edit, prompt, latent):
    """A single edited step against the paper's line 7, with velocities of the host's own guider."""
    picture, sigmas = latent(), comfy.samplers.calculate_sigmas(flow.get_model_object("model_sampling"), "simple", 2)
    seen = []
    handle = flow.model.diffusion_model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    try:
        edited = edit(steps=2, k_max=0.6)
    finally:
        handle.remove()
    x0, sigma = picture["samples"] * 0.18215, sigmas[1]
    z_source, z_target = (each[:1] for each in seen)
    assert torch.equal(z_source, z_target) or len(seen) == 2  # the edit is still the picture
    noise = (z_source - (1 - sigma) * x0) / sigma
    assert 0.8 < noise.std() < 1.2 and differs(noise, x0)
    velocities = []
    for positive, cfg in ((prompt(1), 1.5), (prompt(2), 4.0)):
        guider = comfy.samplers.CFGGuider(flow)
        guider.set_conds(positive, prompt(0))
        guider.set_cfg(cfg)
        guider.sample(torch.zeros_like(x0), picture["samples"], asked := Denoised(z_source, sigma), sigmas[1:])
        velocities.append((z_source - asked.result) / sigma)
    expected = x0 + (0 - sigma) * (velocities[1] - velocities[0])
    assert_close(edited * 0.18215, expected)
    assert differs(edited, picture["samples"])


def test_the_same_prompt_and_guidance_leave_the_picture(edit, latent):
    assert_close(edit(target=1, target_cfg=1.5), latent()["samples"], 1e-6)


def test_k_max_0_leaves_it_to_the_bit(edit, latent, calls):
    assert torch.equal(edit(k_max=0.0), latent()["samples"]) and calls == []


def test_it_costs_two_calls_a_step_and_one_below_k_min(edit, calls):
    edit()
    assert calls == [2] * 14
    calls.clear()
    edit(k_min=0.3, averages=2)
    assert calls == [2] * (4 * 2 * 2 + 3)
    calls.clear()
    edit(source_cfg=1.0, target_cfg=1.0)
    assert calls == [1] * 14


def test_without_edited_steps_it_draws_the_target_over_the_noised_picture(run, flow, edit, prompt, latent, caplog):
    """As the core does from that noise: and says so."""
    drawn = edit(k_min=0.7)
    assert "no step lies above k_min 0.7" in caplog.text
    assert torch.equal(drawn, edit(k_min=0.7, source=3, source_cfg=9.0)) and differs(drawn, edit())


def test_seeds_and_averages_count_and_the_same_again_is_the_same(edit):
    first = edit()
    assert torch.equal(edit(), first)
    assert not torch.equal(edit(seed=6), first) and not torch.equal(edit(averages=2), first)


def test_a_row_of_a_batch_is_the_row_alone(edit, latent):
    both = latent(2)
    batch = edit(latent=both)
    for row in range(2):
        alone = edit(latent={"samples": both["samples"][row : row + 1], "batch_index": [row]})
        assert_close(batch[row : row + 1], alone)


@pytest.mark.parametrize("k_min", [0.0, 0.4])
def test_where_the_mask_is_0_the_picture_stays(edit, latent, k_min):
    picture = latent()
    mask = torch.zeros(1, 8, 8)
    mask[..., 4:] = 1
    edited = edit(latent=picture | {"noise_mask": mask}, k_min=k_min)
    assert_close(edited[..., :4], picture["samples"][..., :4], 1e-6)
    assert differs(edited[..., 4:], picture["samples"][..., 4:], by=1e-4)


def test_a_word_that_is_made_stronger_counts(run, worded_tiny, encode, clip, edit):
    flow = run("ModelSamplingSD3", model=worded_tiny, shift=3.0)[0]
    model, positive = run("CrossAttnReweight", model=flow, clip=clip, text="a lion", words="lion", scale=2.0)
    given = {"source": encode("a dog"), "negative": encode("")}
    plain = edit(flow, target=encode("a lion"), **given)
    assert torch.equal(edit(model, target=encode("a lion"), **given), plain)
    assert differs(edit(model, target=positive, **given), plain, by=1e-4)


@pytest.mark.parametrize("name", ["Flux", "SD3", "Lumina2", "WAN21_T2V"])
def test_families(run, name):
    """With one call a prompt where guidance is the model's own; a video model takes a picture too."""
    family = FAMILIES[name]
    model = family.model(name)
    inputs = {"source": family.prompt(1), "target": family.prompt(2), "negative": family.prompt(0), "latent": family.latent(model)}
    (edited,) = run("MagicMixFlowEdit", model=model, **inputs, **SETTINGS | {"steps": 3, "source_cfg": 1.0, "target_cfg": 1.0})
    picture = inputs["latent"]["samples"]
    assert edited["samples"].shape == picture.shape and torch.isfinite(edited["samples"]).all()
    assert not torch.equal(edited["samples"], picture)


class TestRefused:
    """In words that name the input, before the network is called."""

    @pytest.fixture(autouse=True)
    def nothing_is_sampled(self, calls):
        yield
        assert calls == []

    def test_a_model_that_predicts_noise(self, tiny, edit):
        with pytest.raises(
            ValueError, match=r"^model must be a flow-matching one, as SD3, Flux, .* and BaseModel does not\. For this model"
        ):
            edit(tiny)

    def test_a_v_prediction_model(self, run, tiny, edit):
        (model,) = run("ModelSamplingDiscrete", model=tiny, sampling="v_prediction", zsnr=False)
        with pytest.raises(ValueError, match="^model must be a flow-matching one"):
            edit(model)

    @pytest.mark.parametrize(
        ("bad", "message"),
        [
            ({"k_min": 0.8}, "k_min must not be above k_max, got k_min 0.8 and k_max 0.7"),
            ({"source": [[torch.zeros(1, 7, 32), {}]]}, "source must be encoded by the model's own text encoder"),
            ({"latent": {"samples": torch.ones(1, 16, 8, 8)}}, "latent must be a latent of the model's own kind"),
            ({"averages": 0}, r"averages must lie in \[1, 100\], got 0"),
        ],
    )
    def test_wrong_input(self, edit, bad, message):
        with pytest.raises(ValueError, match=message):
            edit(**bad)
