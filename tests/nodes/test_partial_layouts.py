"""Layouts of a picture that is followed up to k_max only: the same path, for whatever starts there or below."""

from functools import cache, partial

import pytest
import torch
from closeness import assert_close, differs

STEPS, SCHEDULER, REFINEMENTS = 10, "ddim_uniform", 2
SETTINGS = {"steps": STEPS, "scheduler": SCHEDULER}
SAMPLING = {"seed": 5, "cfg": 4.0, "sampler_name": "euler", **SETTINGS}


@pytest.fixture(scope="module", params=["eps", "v", "flow", "sdxl"])
def model(request, run, tiny):
    if request.param == "v":
        return run("ModelSamplingDiscrete", model=tiny, sampling="v_prediction", zsnr=False)[0]
    if request.param == "flow":
        return run("ModelSamplingSD3", model=tiny, shift=3.0)[0]
    return request.getfixturevalue({"eps": "tiny", "sdxl": "tiny_sdxl"}[request.param])


@pytest.fixture(scope="module")
def invert(run, prompt, latent):
    def follow(model, **settings):
        inputs = {"model": model, "positive": prompt(1), "latent": latent(), "refinements": REFINEMENTS}
        return run("MagicMixLayoutInversion", **inputs | SETTINGS | settings)

    return follow


@pytest.fixture(scope="module")
def whole(invert, model):
    """The path up to pure noise, and the noise."""
    return invert(model)


@pytest.fixture(scope="module")
def part(invert, model):
    """The path up to k_max 0.6, and its top."""
    return invert(model, k_max=0.6)


@pytest.fixture(scope="module")
def mix(run, prompt):
    def sample(model, layout, positive=None, negative=None, **settings):
        inputs = {"model": model, "positive": positive or prompt(2), "negative": negative or prompt(0), "layout": layout}
        return run("MagicMixKSampler", **inputs | SAMPLING | {"nu": 0.5, "k_max": 0.6, "k_min": 0.3} | settings)[0]["samples"]

    return sample


@pytest.fixture(scope="module")
def words(run, worded_tiny, clip, encode_by, latent):
    """`words(k_max, keep, model)`: a layout with a prompt that words are found in."""

    @cache
    def follow(k_max, keep="off", model=worded_tiny):
        inputs = {"model": model, "positive": encode_by(clip)("a dog"), "latent": latent(), "refinements": 0, "k_max": k_max, "keep": keep}
        return run("MagicMixLayoutInversion", **inputs, **SETTINGS)[0]

    return follow


@pytest.fixture
def counted():
    """`counted(model)`: the model, and a list that grows by one with each of its calls."""

    def count(model):
        model, calls = model.clone(), []

        def call(function, arguments):
            calls.append(arguments["timestep"])
            return function(arguments["input"], arguments["timestep"], **arguments["c"])

        model.set_model_unet_function_wrapper(call)
        return model, calls

    return count


def test_k_max_1_is_the_whole_path(model, whole, invert):
    layout, noise = invert(model, k_max=1.0)
    assert torch.equal(layout.latents, whole[0].latents) and torch.equal(noise["samples"], whole[1]["samples"])
    assert layout.k_max == whole[0].k_max == 1 and layout.same(whole[0])


def test_it_is_the_lower_part_of_the_whole_path(whole, part):
    levels = len(part[0].sigmas)
    assert levels == 7 and torch.equal(part[0].sigmas, whole[0].sigmas[-levels:])
    assert torch.equal(part[0].latents, whole[0].latents[-levels:])


def test_the_picture_comes_back_as_exactly(model, whole, part, mix, prompt, latent):
    """To the bit as with the whole path; and it does come back."""
    again = [mix(model, layout, prompt(1), cfg=1.0, nu=1.0) for layout, _ in (whole, part)]
    assert torch.equal(*again)
    assert_close(again[0], latent()["samples"], 0.02)


def test_a_mix_is_the_same_to_the_bit(model, whole, part, mix):
    both = [mix(model, layout) for layout, _ in (whole, part)]
    assert torch.equal(*both)


def test_it_costs_as_many_calls_as_it_has_steps(tiny, counted, invert):
    model, calls = counted(tiny)
    invert(model)
    whole = len(calls)
    invert(model, k_max=0.6)
    assert whole == STEPS * (REFINEMENTS + 1) and len(calls) - whole == 0.6 * whole


def test_its_noise_is_what_there_is_in_its_first_latent(model, part):
    layout, sampling = part[0], model.get_model_object("model_sampling")
    assert_close(sampling.noise_scaling(layout.sigmas[0], layout.start_noise(), layout.latents[-1]), layout.latents[0])


def test_the_core_goes_on_from_the_latent(run, model, part, mix, prompt):
    """As the node says: from that step of the schedule, without added noise."""
    inputs = {"model": model, "positive": prompt(2), "negative": prompt(0), "latent_image": part[1], "noise_seed": 5, "cfg": 4.0}
    where = {"add_noise": "disable", "start_at_step": 4, "end_at_step": 1000, "return_with_leftover_noise": "disable"}
    (drawn,) = run("KSamplerAdvanced", **inputs, **where, **SETTINGS, sampler_name="euler")
    assert_close(drawn["samples"], mix(model, part[0], nu=1.0))


def test_the_node_says_where_to_go_on(caplog, tiny, invert):
    caplog.set_level("INFO")
    invert(tiny, k_max=0.6, refinements=0)
    assert "followed up to k_max 0.6, 6 of 10 steps" in caplog.text and "latent at start_at_step 4, without added noise" in caplog.text


class TestWhatStartsAboveIsRefused:
    @pytest.fixture
    def part(self, words):
        return words(0.6)

    @pytest.fixture(autouse=True)
    def nothing_is_sampled(self, part, counted, worded_tiny):
        """Not one call of the model is made of the run that is refused."""
        self.model, calls = counted(worded_tiny)
        yield
        assert calls == []

    def edited(self, edit, layout):
        return edit("a dog", "a lion", layout, self.model)

    def test_by_the_mixing_ksampler(self, part, mix, encode):
        with pytest.raises(ValueError, match=r"^k_max must not be above the layout's, 0\.6, got 0\.7: set it to 0\.6 or lower"):
            mix(self.model, part, encode("a lion"), encode(""), k_max=0.7)

    def test_by_the_mixing_sampler(self, run, part):
        (plain,) = run("KSamplerSelect", sampler_name="euler")
        with pytest.raises(ValueError, match=r"^k_max must not be above the layout's, 0\.6, got 1"):
            run("MagicMixSampler", sampler=plain, layout=part, nu=0.5, k_max=1.0, k_min=0.3)

    def test_by_a_mix_whose_own_steps_begin_higher(self, part, mix, encode):
        with pytest.raises(
            ValueError, match=r"^layout is known up to k_max 0\.6 only and sampling starts above that: .*steps and scheduler"
        ):
            mix(self.model, part, encode("a lion"), encode(""), steps=100)

    @pytest.mark.parametrize("wrap", ["alone", "moved", "enlarged", "blended"])
    def test_by_prompt_to_prompt_from_pure_noise(self, run, part, edit, sample, wrap):
        still = {"mirror": False, "turn": "none", "scale": 1.0, "right": 0.0, "down": 0.0}
        wrapped = {
            "alone": lambda: part,
            "moved": lambda: run("MagicMixLayoutTransform", layout=part, **still | {"mirror": True})[0],
            "enlarged": lambda: run("MagicMixLayoutTransform", layout=part, **still | {"scale": 2.0})[0],
            "blended": lambda: run("MagicMixLayoutBlend", first=part, second=part, share=0.5)[0],
        }[wrap]()
        with pytest.raises(ValueError, match=r"^layout is known up to k_max 0\.6 only"):
            sample(*self.edited(edit, wrapped), **SETTINGS)

    def test_by_plug_and_play_from_pure_noise(self, words, worded, counted, follow, sample, encode):
        model, calls = counted(worded)
        with pytest.raises(ValueError, match=r"^layout is known up to k_max 0\.6 only"):
            sample(follow(words(0.6, model=worded), model), encode("a lion"), **SETTINGS)
        assert calls == []

    def test_by_a_blend_with_it(self, run, part, words, mix, encode):
        (blended,) = run("MagicMixLayoutBlend", first=words(0.8), second=part, share=0.5)
        with pytest.raises(ValueError, match=r"^k_max must not be above the layout's, 0\.6, got 0\.8"):
            mix(self.model, blended, encode("a lion"), encode(""), k_max=0.8)

    def test_below_all_steps(self, invert, encode):
        with pytest.raises(ValueError, match=r"^k_max must leave steps to go: none of the schedule lies below 0\.01"):
            invert(self.model, positive=encode("a dog"), scheduler="simple", k_max=0.01)


class TestEditsThatStartAtItsTop:
    """Prompt-to-Prompt and Plug-and-Play read the layout at the levels that are sampled, and no others."""

    @pytest.fixture
    def both(self, words):
        return words(1.0), words(0.6)

    @pytest.fixture
    def draw(self, mix, encode, worded_tiny):
        return lambda layout, model=worded_tiny, positive=None, **settings: mix(
            model, layout, positive or encode("a lion"), encode(""), **{"nu": 1.0} | settings
        )

    def test_a_swapped_word(self, both, draw, edit, worded_tiny):
        whole, part = (draw(layout, *edit("a dog", "a lion", layout, worded_tiny)) for layout in both)
        assert torch.equal(part, whole) and differs(part, draw(both[1]))

    def test_a_local_blend(self, caplog, both, draw, edit, worded_tiny):
        whole, part = (draw(layout, *edit("a dog", "a lion", layout, worded_tiny, local_blend="dog, lion"), k_min=0.0) for layout in both)
        assert torch.equal(part, whole)
        assert caplog.text.count("local_blend holds the rest of the picture only between") == 1  # where more is to be had

    def test_features(self, words, draw, follow, worded):
        both = [words(k_max, model=worded) for k_max in (1.0, 0.6)]
        whole, part = (draw(layout, follow(layout, worded)) for layout in both)
        assert torch.equal(part, whole) and differs(part, draw(both[1], worded))

    def test_of_a_blend_of_both(self, run, both, draw, edit, worded_tiny):
        """Its prompt is the one of both, and so are its levels, where both are known."""
        blends = [run("MagicMixLayoutBlend", first=first, second=second, share=0.5)[0] for first, second in (both, both[::-1])]
        assert all(torch.equal(blend.sigmas, both[1].sigmas) for blend in blends)
        assert_close(*(draw(blend, *edit("a dog", "a lion", blend, worded_tiny)) for blend in blends))

    def test_what_was_kept_of_it(self, both, words, draw, edit, worded_tiny):
        kept = words(0.6, "words")
        assert set(kept.kept.levels) == set(kept.sigmas[:-1].tolist())
        part, again = (draw(layout, *edit("a dog", "a lion", layout, worded_tiny)) for layout in (both[1], kept))
        assert_close(again, part)


def test_layouts_made_of_it_mix_from_its_k_max_on(run, tiny, invert, mix):
    whole, part = (invert(tiny, k_max=k_max, refinements=0)[0] for k_max in (1.0, 0.6))
    move = partial(run, "MagicMixLayoutTransform", mirror=True, turn="none", right=0.0, down=0.0)
    for made in (
        lambda layout: move(layout=layout, scale=1.0)[0],
        lambda layout: run("MagicMixLayoutBlend", first=layout, second=move(layout=layout, scale=1.0)[0], share=0.5)[0],
        lambda layout: run("MagicMixLayoutBlend", first=whole, second=layout, share=0.5)[0],
    ):
        assert made(part).k_max == 0.6
        assert torch.equal(mix(tiny, made(part)), mix(tiny, made(whole)))
