"""PixArt's modules that attend, which do not hand a call's options on: what stands in for them does as they do, and goes away."""

import sys
from functools import partial

import comfy.ldm.pixart.blocks as blocks
import comfy.ops
import pytest
import torch
from built_families import of
from inprocess import PACK, load_pack

SETTINGS = {"seed": 5, "steps": 2, "cfg": 2.0, "sampler_name": "euler", "scheduler": "normal"}
TARGET = "a lion on grass"
HEADS, WIDTH, SIDE = 2, 32, 4
HERE = {"dtype": torch.float32, "device": "cpu", "operations": comfy.ops.disable_weight_init}


@pytest.fixture(scope="module")
def stand_ins():
    load_pack()
    return sys.modules[f"{str(PACK).replace('.', '_x_')}.nodes.host.pixart"].STAND_INS


def random(*size, seed=0):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def filled(module):
    for number, weight in enumerate(module.parameters()):
        weight.data = random(*weight.shape, seed=number) * 0.3
    return module.eval()


def attending_to_itself(sampling, ratio, norm=True):
    return filled(blocks.AttentionKVCompress(WIDTH, HEADS, sampling=sampling, sr_ratio=ratio, qk_norm=norm, **HERE))


def same(module, stand_in, *inputs, **named):
    """Both results, the second by what stands in; and how often the override was asked."""
    asked = []

    def override(func, *operands, **options):
        asked.append(operands[0].shape)
        return func(*operands, **options)

    options = {"optimized_attention_override": override}
    with torch.no_grad():
        return module(*inputs, **named), partial(stand_in, module, options)(*inputs, **named), len(asked)


@pytest.mark.parametrize("rows", [1, 3])
def test_attention_to_text_is_the_hosts(stand_ins, rows):
    module = filled(blocks.MultiHeadCrossAttention(WIDTH, HEADS, **HERE))
    theirs, ours, asked = same(module, stand_ins[type(module)], random(rows, SIDE**2, WIDTH), random(1, rows * 5, WIDTH, seed=1), None)
    assert torch.equal(theirs, ours) and asked == 1


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("sampling, ratio", [(None, 1), ("conv", 2), ("uniform", 2), ("ave", 2), ("uniform_every", 2)])
def test_attention_to_itself_is_the_hosts(stand_ins, sampling, ratio, rows, norm):
    module = attending_to_itself(sampling, ratio, norm)
    for size in ({}, {"HW": (SIDE, SIDE)}):
        theirs, ours, asked = same(module, stand_ins[type(module)], random(rows, SIDE**2, WIDTH), **size)
        assert torch.equal(theirs, ours) and asked == 1


@of(["PixArtSigma"])
class TestARun:
    @pytest.fixture
    def drawn(self, run, clip, encode, sample, built):
        """A re-weighted run."""

        def draw():
            model, positive = run("CrossAttnReweight", model=built.model, clip=clip, text=TARGET, words="lion", scale=3.0)
            return sample(model, positive, built.latent(), encode(""), **SETTINGS)

        return draw

    @pytest.fixture
    def modules(self, built):
        (block,) = built.model.model.diffusion_model.blocks
        return block.attn, block.cross_attn

    def test_leaves_the_modules_as_they_were(self, drawn, modules):
        drawn()
        assert not any("forward" in vars(module) for module in modules)

    def test_that_fails_leaves_them_so_too(self, drawn, modules):
        def fail(module, inputs):
            raise RuntimeError("out of memory")

        handle = modules[1].kv_linear.register_forward_pre_hook(fail)
        with pytest.raises(RuntimeError, match="out of memory"):
            drawn()
        handle.remove()
        assert not any("forward" in vars(module) or module._forward_hooks for module in modules)

    @pytest.mark.parametrize("which", [0, 1])
    def test_is_refused_where_another_pack_has_replaced_one(self, drawn, built, modules, which):
        module, before = modules[which], built.calls
        module.forward = module.forward
        with pytest.raises(ValueError, match="model: attention in block 0 does not go through ComfyUI's, so it cannot be steered"):
            drawn()
        assert built.calls == before
        del module.forward
