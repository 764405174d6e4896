"""MagicMix Picture and Prompt: what the other nodes make, in one."""

import comfy.utils
import pytest
import torch
from families import FAMILIES
from inprocess import run_in_its_place

import nodes
from demo_model import SIDES

SIDE = SIDES["unet"]
FEW = 8  # steps: the pictures are of interest to the node alone
SAMPLING = {"seed": 3, "steps": FEW, "sampler_name": "euler", "scheduler": "ddim_uniform"}
WITHOUT_MODEL = ["MagicMixDemoCheckpoint"]
MADE_OF = ["CLIPTextEncode", "CLIPTextEncode", "VAEEncode", "MagicMixLayoutNoise", "MagicMixKSampler", "VAEDecode"]


@pytest.fixture(scope="module")
def checkpoint(run):
    return dict(zip(("model", "clip", "vae"), run("MagicMixDemoCheckpoint"), strict=True))


@pytest.fixture(scope="module")
def image():
    """A red ball in a green field, 192 x 192."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 192), torch.linspace(-1, 1, 192), indexing="ij")
    ball = (x**2 + y**2 < 0.4)[..., None]
    return torch.where(ball, torch.tensor([0.9, 0.2, 0.1]), torch.tensor([0.2, 0.7, 0.3]))[None]


@pytest.fixture(scope="module")
def small(image):
    """The same at the demo model's size."""
    return comfy.utils.common_upscale(image.movedim(-1, 1), SIDE, SIDE, "lanczos", "center").movedim(1, -1)


@pytest.fixture(scope="module")
def one_step(run, image):
    """`one_step(strength=0.3, ...)`: the node's answer: its outputs, and the graph that the host runs in its place."""

    def execute(**inputs):
        return nodes.NODE_CLASS_MAPPINGS["MagicMix"].execute(**{"image": image, "prompt": "a fox", "strength": 0.5, "seed": 3} | inputs)

    return execute


@pytest.fixture(scope="module")
def draw(run, one_step):
    """`draw(strength=0.3, ...)`: the picture, by running that graph as the host does, in a few steps."""

    def in_few_steps(node_id, **inputs):
        return run(node_id, **inputs | ({"steps": FEW} if "steps" in inputs else {}))

    return lambda **inputs: run_in_its_place(one_step(**inputs), in_few_steps)[0]


@pytest.fixture(scope="module")
def by_hand(run, checkpoint, small):
    """`by_hand(sampler, **inputs)`: the same picture and prompt through nodes that are connected one by one."""

    def sample(sampler, **settings):
        model, clip, vae = checkpoint.values()
        prompts = {name: run("CLIPTextEncode", clip=clip, text=text)[0] for name, text in (("positive", "a fox"), ("negative", ""))}
        (latent,) = run("VAEEncode", pixels=small, vae=vae)
        start = {"latent_image": latent, "denoise": 1.0}
        if sampler == "MagicMixKSampler":
            start = {"layout": run("MagicMixLayoutNoise", latent=latent, seed=3, noise="shared")[0]}
        (samples,) = run(sampler, model=model, **prompts, **start, **SAMPLING, cfg=4.0, **settings)
        return run("VAEDecode", samples=samples, vae=vae)[0]

    return sample


def test_the_middle_is_the_graph_that_is_connected_by_hand(draw, by_hand):
    assert torch.equal(draw(strength=0.5), by_hand("MagicMixKSampler", nu=0.92, k_max=0.47, k_min=0.19))


def test_no_strength_is_the_picture_itself_and_runs_nothing(one_step, small):
    answer = one_step(strength=0.0)
    assert answer.expand is None and torch.equal(answer.result[0], small)


def test_full_strength_is_what_the_core_draws_of_the_prompt(draw, by_hand):
    assert torch.equal(draw(strength=1.0), by_hand("KSampler"))


def test_a_little_strength_is_close_to_the_picture_and_more_is_further(draw, small):
    little, more = ((draw(strength=strength) - small).square().mean().sqrt() for strength in (0.2, 0.5))
    assert 0 < little < more


def test_a_checkpoint_is_used_and_without_one_the_demo_model_is_loaded(one_step, checkpoint):
    own, given = one_step().expand, one_step(**checkpoint).expand
    assert [node["class_type"] for node in own.values()] == WITHOUT_MODEL + MADE_OF
    assert [node["class_type"] for node in given.values()] == MADE_OF
    (sampler,) = (node["inputs"] for node in given.values() if node["class_type"] == "MagicMixKSampler")
    assert sampler["model"] is checkpoint["model"]
    assert {name: sampler[name] for name in ("steps", "cfg", "nu")} == {"steps": 50, "cfg": 4.0, "nu": 0.92}


@pytest.mark.parametrize(("family", "cfg", "side"), [("sd15", 7.5, 512), ("sdxl", 7.0, 1024)])
def test_other_models_get_their_size_their_guidance_and_the_papers_window(one_step, checkpoint, request, family, cfg, side):
    graph = one_step(**checkpoint | {"model": request.getfixturevalue(family)}).expand.values()
    (sampler,) = (node["inputs"] for node in graph if node["class_type"] == "MagicMixKSampler")
    assert {name: sampler[name] for name in ("cfg", "nu", "k_max", "k_min")} == {"cfg": cfg, "nu": 0.7, "k_max": 0.6, "k_min": 0.3}
    (pixels,) = (node["inputs"]["pixels"] for node in graph if node["class_type"] == "VAEEncode")
    assert pixels.shape == (1, side, side, 3)


@pytest.mark.parametrize(
    ("shape", "scaled"),
    [
        ((1, 100, 200, 3), (1, 112, 224, 3)),
        ((2, 300, 300, 4), (2, SIDE, SIDE, 3)),
        ((1, 64, 64, 1), (1, SIDE, SIDE, 3)),
        ((1, 1, 9, 3), (1, 56, 480, 3)),
    ],
)
def test_pictures_keep_their_shape_and_batch(one_step, shape, scaled):
    assert one_step(image=torch.rand(shape), strength=0.0).result[0].shape == scaled


def test_a_batch_gives_a_batch(draw, image):
    drawn = draw(image=torch.cat([image, 1 - image]), strength=0.1)
    assert drawn.shape == (2, SIDE, SIDE, 3) and not torch.allclose(*drawn, atol=0.1)


@pytest.mark.parametrize("given", [("model",), ("clip", "vae"), ("vae",)])
def test_a_part_of_a_checkpoint_is_refused(one_step, checkpoint, given):
    missing = " and ".join(name for name in checkpoint if name not in given)
    with pytest.raises(
        ValueError, match=f"^model, clip and vae must come together, from one checkpoint, or none of them; {missing} is missing"
    ):
        one_step(**{name: checkpoint[name] for name in given})


def test_a_model_that_needs_settings_of_its_own_is_refused(one_step, checkpoint):
    with pytest.raises(ValueError, match=r"^model must be Stable Diffusion 1\.x, 2\.x or XL, got Flux: "):
        one_step(**checkpoint | {"model": FAMILIES["Flux"].model("Flux")})


def test_a_prompt_of_a_megabyte_is_refused_at_once(one_step):
    with pytest.raises(ValueError, match="^prompt must have at most 50000 letters, got 1000000"):
        one_step(prompt="a lion, " * 125_000)


@pytest.mark.parametrize("prompt", ["embedding:", "a (embedding: ), lion", "embedding: embedding:style"])
def test_an_embedding_without_a_name_is_refused(one_step, prompt):
    with pytest.raises(ValueError, match="^prompt must name an embedding behind embedding:"):
        one_step(prompt=prompt)


@pytest.mark.parametrize("prompt", ["(dog:nan)", "a (lion:1e400)"])
def test_a_weight_that_is_no_number_is_refused(one_step, prompt):
    with pytest.raises(ValueError, match="^prompt must have weights that keep its encoding finite"):
        one_step(prompt=prompt)


def test_a_thousand_parentheses_are_refused(one_step):
    with pytest.raises(ValueError, match="^prompt must have fewer parentheses inside each other"):
        one_step(prompt="(" * 2000 + "dog" + ")" * 2000)
