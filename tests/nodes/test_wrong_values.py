"""Values that no page lets anybody type come over links: each is refused by the name of its input."""

import re

import pytest
import torch
from saved_graphs import recorded_schemas

NAN, INF = float("nan"), float("inf")
TYPES = {"INT": "a whole number", "FLOAT": "a number", "STRING": "text", "BOOLEAN": "true or false", "COMBO": "one of its choices"}
SCHEMAS = recorded_schemas()
NUMBERS = [(node, entry) for node, schema in SCHEMAS.items() for entry in schema["inputs"] if entry["type"] in ("INT", "FLOAT")]
WIDGETS = [(node, entry) for node, schema in SCHEMAS.items() for entry in schema["inputs"] if entry["type"] in TYPES]
SOCKETS = [(node, entry) for node, schema in SCHEMAS.items() for entry in schema["inputs"] if entry["type"] not in TYPES]
LISTS = ["ContactSheet"]


def named(case):
    return case if isinstance(case, str) else case["id"]


@pytest.fixture
def given(run):
    """`given(node, input, value)`: runs the node with this one input, so that it is the first to be looked at; alone, it has no other."""

    def execute(node, name, value):
        return run(node, **{name: [value] if node in LISTS else value})

    return execute


@pytest.mark.parametrize(("node", "entry"), NUMBERS, ids=named)
def test_a_number_beyond_its_bounds_is_refused_however_it_comes(given, node, entry):
    beyond = [entry["min"] - 1, entry["max"] + 1, 10**400, -(10**5000)] + ([NAN, INF, -INF] if entry["type"] == "FLOAT" else [])
    for value in beyond:
        with pytest.raises(ValueError, match=rf"^{entry['id']} must lie in \["):
            given(node, entry["id"], value)


@pytest.mark.parametrize(("node", "entry"), WIDGETS, ids=named)
def test_a_value_of_another_kind_is_refused(given, node, entry):
    for value in (object(), {}, torch.zeros(2), b"x", *([] if "optional" in entry else [None])):
        with pytest.raises(ValueError, match=f"^{entry['id']} must be {TYPES[entry['type']]}, got "):
            given(node, entry["id"], value)


@pytest.mark.parametrize(("node", "entry"), SOCKETS, ids=named)
def test_a_socket_that_carries_something_else_is_refused(given, node, entry):
    empty = [None] if "optional" not in entry and entry["type"] != "SAMPLER" else []
    for value in ([], {}, object(), "a dog", torch.zeros(0), *empty) if entry["type"] not in ("SAMPLER", "CONDITIONING") else empty:
        with pytest.raises(ValueError, match=f"^{entry['id']} must be .+, got "):
            given(node, entry["id"], value)


@pytest.mark.parametrize(
    "value", [[[None, {}]], [torch.zeros(1, 77, 64)], [[torch.zeros(77, 64), {}]], [[torch.zeros(1, 0, 64), {}]], "a dog"]
)
def test_what_is_no_conditioning_is_refused(given, value):
    with pytest.raises(ValueError, match="^positive must be .+, got "):
        given("MagicMixKSampler", "positive", value)


def test_a_conditioning_that_is_not_finite_is_refused(given):
    with pytest.raises(ValueError, match="positive must hold finite numbers only, got 4928 of 4928"):
        given("MagicMixLayoutFromPrompt", "positive", [[torch.full((1, 77, 64), NAN), {}]])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"samples": torch.zeros(0, 4, 8, 8)}, "latent must be a latent with a picture at least .*, got numbers in 0 x 4 x 8 x 8"),
        ({"samples": torch.zeros(1, 4, 8, 8, dtype=torch.int32)}, "latent must hold floating-point numbers, got torch.int32"),
        ({"noise_mask": torch.zeros(0, 8, 8)}, "latent: its noise mask must be masks"),
        ({"noise_mask": "none"}, "latent: its noise mask must be masks .*, got 'none'"),
        ({"batch_index": [0, 1]}, r"latent must number each of its 1 pictures by a whole number \(batch_index\), got a list of 2"),
        ({"batch_index": ["first"]}, r"latent must number each of its 1 pictures"),
    ],
)
def test_a_latent_with_something_wrong_in_it_is_refused(given, latent, more, message):
    with pytest.raises(ValueError, match=message):
        given("MagicMixLayoutFromPrompt", "latent", latent() | more)


def test_half_a_character_is_refused(given):
    with pytest.raises(ValueError, match="text must be whole Unicode characters"):
        given("PromptTokens", "text", "a \ud800")


def test_an_optional_input_that_brings_nothing_is_as_if_unconnected(run):
    assert run("ValueGrid", x_values="0:1:3", y_values=None) == run("ValueGrid", x_values="0:1:3")


def test_a_long_wrong_value_is_repeated_in_part(run):
    with pytest.raises(ValueError, match=re.escape("x_values: '" + "x" * 60 + "'... (1000000 characters) is neither")):
        run("ValueGrid", x_values="x" * 1_000_000)


@pytest.mark.parametrize("node", ["PromptTokens", "CrossAttnReweight", "CrossAttnRecord"])
def test_an_embedding_without_a_name_is_refused(run, clip, worded, node):
    more = {} if node == "PromptTokens" else {"model": worded, "words": ""}
    more |= {"CrossAttnReweight": {"scale": 1.0}, "CrossAttnRecord": {"resolution": "8"}}.get(node, {})
    with pytest.raises(ValueError, match="text must name an embedding behind embedding:, got 'a dog, embedding:'"):
        run(node, clip=clip, text="a dog, embedding:", **more)


def test_embeddings_without_a_name_are_refused_by_the_input_they_are_in(edit):
    for name in ("words", "word_steps", "local_blend"):
        with pytest.raises(ValueError, match=f"{name} must name an embedding behind embedding:"):
            edit("a dog", "a lion", **{name: "embedding:"})
    with pytest.raises(ValueError, match="target_text must name an embedding"):
        edit("a dog", "embedding:")


def test_a_weight_that_no_encoding_bears_is_refused(reweight, edit, layout):
    with pytest.raises(ValueError, match="text must have weights that keep its encoding finite"):
        reweight("a (cat:1e400)", "cat")
    with pytest.raises(ValueError, match="target_text must have weights that keep its encoding finite"):
        edit("a dog", "a (cat:1e400)", layout=layout)


def test_a_way_back_that_is_not_finite_is_refused(run, sd15, prompt):
    huge = {"samples": torch.full((1, 4, 8, 8), 3e38)}
    with pytest.raises(ValueError, match="model, positive and latent must together give a layout of finite numbers"):
        run("MagicMixLayoutInversion", model=sd15, positive=prompt(1), latent=huge, steps=2, scheduler="normal", refinements=0)


def test_a_sampled_layout_that_is_not_finite_is_refused(run, sd15, prompt, latent, sampling):
    model = sd15.clone()
    model.set_model_unet_function_wrapper(lambda apply_model, args: apply_model(args["input"], args["timestep"], **args["c"]) * NAN)
    with pytest.raises(ValueError, match="model, positive, negative and cfg must together give a layout of finite numbers"):
        run("MagicMixLayoutFromPrompt", model=model, positive=prompt(1), negative=prompt(0), latent=latent(), **sampling)


@pytest.fixture
def mixed(run, sd15, prompt, latent):
    """`mixed(sampler, sigmas)`: SamplerCustom with the MagicMix Sampler over `sigmas`."""

    def sample(sigmas, base=None, **settings):
        (layout,) = run("MagicMixLayoutNoise", latent=latent(), seed=4, noise="shared")
        base = base or run("KSamplerSelect", sampler_name="euler")[0]
        (mixing,) = run("MagicMixSampler", sampler=base, layout=layout, **{"nu": 0.5, "k_max": 0.6, "k_min": 0.3} | settings)
        inputs = {"model": sd15, "positive": prompt(1), "negative": prompt(0), "noise_seed": 5, "cfg": 1.0, "add_noise": True}
        return run("SamplerCustom", **inputs, sampler=mixing, sigmas=sigmas, latent_image=latent())[0]["samples"]

    return sample


@pytest.fixture
def sigmas(run, sd15):
    return run("BasicScheduler", model=sd15, scheduler="normal", steps=10, denoise=1.0)[0]


def test_a_sampler_that_changes_the_size_is_refused(run, mixed, sigmas):
    (growing,) = run("SamplerLCMUpscale", scale_ratio=2.0, scale_steps=-1, upscale_method="bislerp")
    with pytest.raises(
        ValueError, match="sampler must keep the size of what it samples, for a layout to be mixed in: it made .* of 4 x 8 x 8"
    ):
        mixed(sigmas, base=growing)


@pytest.mark.parametrize("left", [0, 1])
@pytest.mark.parametrize("part", ["high", "low"])
def test_a_schedule_without_a_step_leaves_what_it_was_given(mixed, sigmas, part, left):
    assert torch.isfinite(mixed(sigmas[:left] if part == "high" else sigmas[len(sigmas) - left :])).all()


def test_noise_levels_that_are_not_finite_are_refused(mixed):
    with pytest.raises(ValueError, match="sigmas must hold finite numbers only, got 1 of 2"):
        mixed(torch.tensor([NAN, 0.0]))


def test_a_scheduler_that_makes_no_levels_for_so_few_steps_is_refused(run, sd15, prompt, latent, sampling):
    inputs = {"model": sd15, "positive": prompt(1), "latent": latent(), **sampling, "negative": prompt(0), "steps": 1, "refinements": 0}
    refused = "^scheduler kl_optimal makes no noise levels for steps 1, but nan, 0: take more steps or another scheduler"
    for node in ("MagicMixLayoutFromPrompt", "MagicMixLayoutInversion"):
        taken = {entry["id"] for entry in SCHEMAS[node]["inputs"]}
        with pytest.raises(ValueError, match=refused):
            run(node, **{name: value for name, value in inputs.items() if name in taken} | {"scheduler": "kl_optimal"})


def test_an_input_that_a_node_does_not_have_is_refused_by_its_name(run):
    with pytest.raises(ValueError, match="'model' is no input of this node; it has network"):
        run("MagicMixDemoCheckpoint", model=None)
    with pytest.raises(ValueError, match="'clip' is no input of this node; it has latent, seed, noise"):
        run("MagicMixLayoutNoise", latent={"samples": torch.ones(1, 4, 8, 8)}, seed=1, noise="shared", clip=1)
