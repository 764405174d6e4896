"""An interrupt at any call of the UNet, in a run of any kind: it is heard at once, and the same inputs then give what they gave before."""

import comfy.model_management
import pytest
import torch
from comfy.model_management import InterruptProcessingException

REFINEMENTS = 2
FEW = {"steps": 4}
"""An interrupt comes at each call, and whole runs are between them."""


@pytest.fixture
def layout(layout_of):
    """A dog's path of few steps."""
    return layout_of("a dog", **FEW)


@pytest.fixture
def mixed(run, worded, encode, latent, sampling):
    (layout,) = run("MagicMixLayoutNoise", latent=latent(), seed=4, noise="independent")
    inputs = {"model": worded, "positive": encode("a lion"), "negative": encode(""), "layout": layout}
    return lambda: run("MagicMixKSampler", **inputs, **sampling | FEW, nu=0.5, k_max=0.9, k_min=0.3)[0]["samples"]


@pytest.fixture
def layout_from_prompt(layout_of):
    return lambda: layout_of("a dog", **FEW).latents


@pytest.fixture
def inverted(run, worded, encode, latent):
    inputs = {"model": worded, "positive": encode("a dog"), "latent": latent(), "steps": 3, "scheduler": "normal"}
    return lambda: run("MagicMixLayoutInversion", **inputs, refinements=REFINEMENTS)[0].latents


@pytest.fixture
def edited_by_flow(run, worded, encode, latent):
    (flow,) = run("ModelSamplingSD3", model=worded, shift=3.0)
    inputs = {"model": flow, "source": encode("a dog"), "target": encode("a lion"), "negative": encode(""), "latent": latent()}
    settings = {"seed": 5, "steps": 3, "source_cfg": 2.0, "target_cfg": 4.0, "scheduler": "simple", "k_max": 0.9, "k_min": 0.4}
    return lambda: run("MagicMixFlowEdit", **inputs, **settings)[0]["samples"]


@pytest.fixture
def blended_edit(run, worded, encode, edit, layout, sampling):
    model, positive = edit("a dog", "a lion", layout, local_blend="lion")
    inputs = {"model": model, "positive": positive, "negative": encode(""), "layout": layout}
    return lambda: run("MagicMixKSampler", **inputs, **sampling | FEW, nu=1.0, k_max=1.0, k_min=0.0)[0]["samples"]


@pytest.fixture
def followed(follow, sample, encode, layout):
    model, positive = follow(layout), encode("a lion")
    return lambda: sample(model, positive, **FEW)


@pytest.fixture
def recorded(run, worded, clip, encode, sampling):
    model, recording = run("CrossAttnRecord", model=worded, clip=clip, text="a lion", words="", resolution="8")
    inputs = {"model": model, "positive": encode("a lion"), "negative": encode(""), "latent_image": {"samples": torch.zeros(1, 4, 8, 8)}}
    vae = run("MagicMixDemoCheckpoint")[2]

    def draw():
        (latent,) = run("KSampler", **inputs, **sampling | FEW, denoise=1.0)
        (images,) = run("VAEDecode", samples=latent, vae=vae)
        return run("CrossAttnMaps", recording=recording, images=images, opacity=1.0, legend=False)[0]

    return draw


@pytest.fixture(params=["mixed", "layout_from_prompt", "inverted", "edited_by_flow", "blended_edit", "followed", "recorded"])
def graph(request):
    """A run of a kind: what it gives, a tensor. Called again it runs again."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def unet(worded):
    """The network, without whatever a test left in the host's switch for interrupts."""
    yield worded.model.diffusion_model
    comfy.model_management.interrupt_current_processing(False)


def calls_with_an_interrupt(unet, graph, at: int, when: str) -> int:
    """How many calls of the UNet were begun in a run that is interrupted at the beginning or the end of call number `at`."""
    calls = []

    def count(module, inputs):
        calls.append(len(inputs[0]))
        interrupt("beginning")

    def interrupt(now):
        if len(calls) == at and now == when:
            comfy.model_management.interrupt_current_processing()

    handles = [unet.register_forward_pre_hook(count), unet.register_forward_hook(lambda *_: interrupt("end"))]
    try:
        with pytest.raises(InterruptProcessingException):
            graph()
    finally:
        for handle in handles:
            handle.remove()
    return len(calls)


def calls_of(unet, graph) -> int:
    calls = []
    handle = unet.register_forward_pre_hook(lambda module, inputs: calls.append(1))
    graph()
    handle.remove()
    return len(calls)


def hooks_of(unet) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in unet.modules())


def test_an_interrupt_at_every_call_ends_that_call_and_leaves_no_trace(unet, graph, sample, worded, encode):
    plain, fresh, hooks = sample(worded, encode("an owl")), graph(), hooks_of(unet)
    calls = calls_of(unet, graph)
    for at in range(1, calls + 1):
        assert calls_with_an_interrupt(unet, graph, at, "beginning") == at
        assert hooks_of(unet) == hooks
        assert torch.equal(graph(), fresh), f"after an interrupt at call {at} of {calls}"
    assert torch.equal(sample(worded, encode("an owl")), plain)


def test_an_interrupt_after_a_call_is_heard_in_the_next(unet, graph):
    """The least lucky moment: the last layer has just asked."""
    for at in range(1, calls_of(unet, graph)):
        assert calls_with_an_interrupt(unet, graph, at, "end") <= at + 1
