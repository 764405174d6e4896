"""Prompt-to-Prompt and re-weighting in the host against the papers' formulas, with attention maps made, changed and applied."""

from contextlib import contextmanager

import comfy.ldm.modules.attention
import pytest
import torch
from closeness import assert_close

STEPS, CFG = 6, 4.0


@pytest.fixture
def model(worded, sampling):
    assert (sampling["steps"], sampling["cfg"]) == (STEPS, CFG)
    return worded


@pytest.fixture
def explicit_maps(model, monkeypatch):
    """`with explicit_maps(cross, itself): ...`: the UNet makes its attention maps, and row 1's are changed.

    Rows are source, target and any others. `cross(M_source, M)` is the target's new cross-attention map, `itself` the same for
    self-attention; None changes nothing.
    """

    def explicit_forward(attn, x, context=None, value=None, mask=None, transformer_options=None):
        context = x if context is None else context
        q, k, v = (part.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for part in (attn.to_q(x), attn.to_k(context), attn.to_v(context)))
        maps = (q @ k.mT * attn.dim_head**-0.5).softmax(-1)
        if attn.change_of_maps is not None:
            maps = torch.cat([maps[:1], attn.change_of_maps(maps[0], maps[1])[None], maps[2:]])
        return attn.to_out((maps @ v).transpose(1, 2).flatten(2))

    @contextmanager
    def changed(cross, itself):
        with torch.no_grad(), monkeypatch.context() as patch:
            patch.setattr(comfy.ldm.modules.attention.CrossAttention, "forward", explicit_forward)
            for block in transformer_blocks(model.model.diffusion_model):
                patch.setattr(block.attn2, "change_of_maps", cross, raising=False)
                patch.setattr(block.attn1, "change_of_maps", itself, raising=False)
            yield

    return changed


@pytest.fixture
def explicitly(model, encode, layout_of, explicit_maps):
    """Samples a target prompt the way the published codes do it: attention maps made, changed, and applied."""

    def draw(source, target, cross, cross_steps=0.8, self_steps=0.4):
        layout = layout_of(source)
        unet, sampling = model.model.diffusion_model, model.get_model_object("model_sampling")
        context = torch.cat([encode(text)[0][0] for text in (source, target, "")])
        x = layout.latents[0]
        for i, sigma in enumerate(layout.sigmas[:-1]):
            until = (sigma > sampling.percent_to_sigma(share) for share in (cross_steps, self_steps))
            with explicit_maps(*(change if lasts else None for change, lasts in zip((cross, sources_map), until, strict=True))):
                rows = torch.cat([layout.latents[i], x, x]) / (1 + sigma**2) ** 0.5
                _, cond, uncond = unet(rows, sampling.timestep(sigma).expand(3).float(), context=context).split(1)
            x = x + (uncond + CFG * (cond - uncond)) * (layout.sigmas[i + 1] - sigma)
        return x / 0.18215

    return draw


def sources_map(source, own):
    return source


def transformer_blocks(unet):
    return [module for module in unet.modules() if isinstance(module, comfy.ldm.modules.attention.BasicTransformerBlock)]


def mapping_of(*entries):
    """P `[77, 77]` with these entries: source, target, share."""
    mapping = torch.zeros(77, 77)
    for source, target, share in entries:
        mapping[source, target] = share
    return mapping


PADDING = [(n, n, 1) for n in range(4, 77)]
"""In its own place behind a target's end at column 4, which also has what is padding there in the source."""
SWAPPED = mapping_of((0, 0, 1), (1, 1, 1), (2, 2, 0.5), (2, 3, 0.5), (3, 4, 1), *PADDING)
"""a dog, a teddy bear: dog is column 2, teddy bear are 2 and 3; the end moves by one."""
REFINED = mapping_of((0, 0, 1), (1, 1, 1), (2, 3, 1), (3, 4, 1), *PADDING)
"""a dog, a red dog: red is new at column 2, dog and the end move by one."""
RED = torch.arange(77) == 2


def test_a_word_swap_of_equal_token_counts(edit, sample, explicitly):
    swapped = sample(*edit("a dog", "a lion"))
    assert_close(swapped, explicitly("a dog", "a lion", sources_map))


def test_a_word_swap_of_unequal_token_counts(edit, sample, explicitly):
    swapped = sample(*edit("a dog", "a teddy bear", edit="swap"))
    assert_close(swapped, explicitly("a dog", "a teddy bear", lambda source, own: source @ SWAPPED))


def test_a_refinement(edit, sample, explicitly):
    refined = sample(*edit("a dog", "a red dog"))
    assert_close(refined, explicitly("a dog", "a red dog", lambda source, own: torch.where(RED, own, source @ REFINED)))


def with_room(mapping, new):
    """The rows of a refined map made to sum to 1, the source's part giving way."""

    def change(source, own):
        followed, kept = source @ mapping.to(source), own * new
        return followed * ((1 - kept.sum(-1, keepdim=True)) / followed.sum(-1, keepdim=True)) + kept

    return change


SHORTER = mapping_of((0, 0, 1), (1, 1, 1), (3, 2, 1), (4, 3, 1), *((n, n, 1) for n in range(5, 77)))
"""a red dog, a dog: red goes, and leaves the rest its attention; the end and a padding move by one."""


def test_new_words_make_room_for_themselves(edit, sample, explicitly):
    settings = {"cross_steps": 1.0, "self_steps": 0.4}
    refined = sample(*edit("a dog", "a red dog", make_room=True, **settings))
    assert_close(refined, explicitly("a dog", "a red dog", with_room(REFINED, RED), cross_steps=1.0))
    assert (refined - sample(*edit("a dog", "a red dog", **settings))).abs().max() > 1e-2


def test_words_that_go_leave_their_room(edit, sample, explicitly):
    refined = sample(*edit("a red dog", "a dog", make_room=True))
    assert_close(refined, explicitly("a red dog", "a dog", with_room(SHORTER, 0)))


def test_a_swap_has_no_room_to_make(edit, sample):
    assert torch.equal(sample(*edit("a dog", "a lion", make_room=True)), sample(*edit("a dog", "a lion")))


def test_reweighting_on_top(edit, sample, explicitly):
    scales = torch.ones(77)
    scales[2] = -1.5
    weighted = sample(*edit("a dog", "a lion", words="lion:-1.5", cross_steps=1.0))
    assert_close(weighted, explicitly("a dog", "a lion", lambda source, own: source * scales, cross_steps=1.0))


def test_a_word_with_steps_of_its_own(edit, sample, explicitly):
    """At cross_steps 0 for lion, its own map is used from the first step on, as if it were a refinement."""
    mine = torch.arange(77) == 2
    swapped = sample(*edit("a dog", "a lion", word_steps="lion:0"))
    assert_close(swapped, explicitly("a dog", "a lion", lambda source, own: torch.where(mine, own, source)))


def test_reweighting_alone(reweight, sample, explicitly):
    scales = torch.ones(77)
    scales[2] = 2.0
    weighted = sample(*reweight("a lion", "lion:2"))
    assert_close(weighted, explicitly("a lion", "a lion", lambda source, own: own * scales, cross_steps=1.0, self_steps=0.0))


def scaled(column, scale, maps=lambda source, own: own):
    scales = torch.ones(77)
    scales[column] = scale
    return lambda source, own: maps(source, own) * scales


@pytest.mark.parametrize(
    ("target", "settings", "cross"),
    [
        ("a lion", {}, sources_map),
        ("a lion", {"words": "lion:-1.5"}, scaled(2, -1.5, sources_map)),
        ("a teddy bear", {"edit": "swap"}, lambda source, own: source @ SWAPPED.to(source)),
        ("a red dog", {}, lambda source, own: torch.where(RED, own, source @ REFINED.to(source))),
        ("a red dog", {"make_room": True}, with_room(REFINED, RED)),
    ],
    ids=["swap", "re-weighted", "unequal swap", "refinement", "refinement with room"],
)
def test_one_call_of_the_unet_in_float64(edit, sample, model, encode, explicit_maps, monkeypatch, target, settings, cross):
    """To 1e-10: the UNet's own output for the edited row, before the host rounds it."""
    made = edit("a dog", target, cross_steps=1.0, self_steps=1.0, **settings)
    unet = model.model.diffusion_model
    seen = {}
    handles = [
        unet.input_blocks[0][0].register_forward_pre_hook(lambda module, inputs: seen.setdefault("x", inputs[0])),
        unet.out.register_forward_hook(lambda module, inputs, output: seen.setdefault("out", output)),
    ]
    monkeypatch.setattr(unet, "dtype", torch.float64)
    unet.double()
    try:
        sample(*made, steps=1)
        timesteps = model.get_model_object("model_sampling").timestep(made[1][0][1]["magicmix_steering"][0].source.layout.sigmas[0])
        contexts = torch.cat([encode(text)[0][0] for text in ("a dog", target, "")]).double()
        assert seen["x"].dtype == torch.float64 and len(seen["x"]) == 3
        with explicit_maps(cross, sources_map):
            for handle in handles:
                handle.remove()
            expected = unet(seen["x"], timesteps.expand(3).float(), context=contexts)
    finally:
        unet.float()
    # The host chooses whether the conditional row comes second or third.
    assert min((seen["out"][row] - expected[1]).norm() for row in (1, 2)) / expected[1].norm() <= 1e-10
