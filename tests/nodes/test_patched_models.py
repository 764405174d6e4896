"""Models that other nodes have patched at the places where ours patch, cloned models, and models that are used again."""

import comfy.ldm.modules.attention
import comfy.patcher_extension
import pytest
import torch
from closeness import assert_close, differs


@pytest.fixture
def all_doors(edit, follow, layout):
    """`all_doors(model)`: (MODEL, CONDITIONING) of an edit and features of the layout on a model."""
    return lambda model: edit("a dog", "a lion", layout, follow(layout, model))


class Foreign:
    """Another pack's patches, each counting the rows it is shown."""

    def __init__(self):
        self.rows = []

    def attn_patch(self, q, k, v, options):
        self.rows.append(len(q))
        return q, k, v * 1.1

    def output_patch(self, n, options):
        self.rows.append(len(n))
        return n * 1.05

    def replace(self, q, k, v, options):
        """As packs do that add attention to a picture: they split the rows by `cond_or_uncond`."""
        self.rows.append(len(q))
        out = comfy.ldm.modules.attention.optimized_attention(q, k, v, options["n_heads"])
        gain = torch.tensor([1.3 if uncond == 0 else 1.0 for uncond in options["cond_or_uncond"]])
        return out * gain.repeat_interleave(len(q) // len(gain))[:, None, None]

    def function_wrapper(self, apply_model, args):
        self.rows.append(len(args["input"]))
        return apply_model(args["input"], args["timestep"], **args["c"]) * 1.02

    def unet_wrapper(self, executor, x, *args, **kwargs):
        self.rows.append(len(x))
        return executor(x, *args, **kwargs) * 1.02


def attention_patches(model, foreign):
    model.set_model_attn1_patch(foreign.attn_patch)
    model.set_model_attn2_patch(foreign.attn_patch)


def output_patches(model, foreign):
    model.set_model_attn1_output_patch(foreign.output_patch)
    model.set_model_attn2_output_patch(foreign.output_patch)


def attn1_replacement(model, foreign):
    model.set_model_attn1_replace(foreign.replace, "output", 2)


def attn2_replacement(model, foreign):
    model.set_model_attn2_replace(foreign.replace, "output", 2)


def function_wrapper(model, foreign):
    model.set_model_unet_function_wrapper(foreign.function_wrapper)


def unet_wrapper(model, foreign):
    model.add_wrapper(comfy.patcher_extension.WrappersMP.DIFFUSION_MODEL, foreign.unet_wrapper)


KINDS = [attention_patches, output_patches, attn1_replacement, attn2_replacement, function_wrapper, unet_wrapper]


@pytest.mark.parametrize("patch", KINDS, ids=lambda patch: patch.__name__)
def test_another_packs_patch_works_on_its_own_rows_before_and_after_ours(worded, all_doors, sample, patch):
    foreign = Foreign()
    patched = worded.clone()
    patch(patched, foreign)
    before, positive = all_doors(patched)
    after = all_doors(worded)[0].clone()
    patch(after, foreign)
    result = sample(before, positive)
    assert torch.equal(result, sample(after, positive))
    assert set(foreign.rows) == {2}
    assert differs(result, sample(*all_doors(worded)), by=1e-4) and differs(result, sample(patched, positive))


def test_tokens_that_another_pack_appends_keep_their_weight(worded, reweight, sample):
    """To re-weighting they are no words of the prompt."""

    def append(q, k, v, options):
        return q, *(torch.cat([each, each[:, :4] * 0.5], 1) for each in (k, v))

    patched = worded.clone()
    patched.set_model_attn2_patch(append)
    off, positive = reweight("a lion", "lion:1", model=patched)
    assert torch.equal(sample(off, positive), sample(patched, positive))
    assert differs(sample(*reweight("a lion", "lion:-2", model=patched)), sample(patched, positive))


def test_a_patch_that_merges_places_is_refused_by_its_nodes_name_before_sampling(run, worded, all_doors, sample, unet_rows):
    (patched,) = run("TomePatchModel", model=worded, ratio=0.3)
    model, positive = all_doors(patched)
    unet_rows.clear()
    with pytest.raises(ValueError, match="the node TomePatchModel changes how many places or tokens attention sees"):
        sample(model, positive)
    assert unet_rows == []


def test_another_packs_merging_patch_is_refused_in_the_first_call(worded, all_doors, sample):
    patched = worded.clone()
    patched.set_model_attn1_patch(lambda q, k, v, options: (q[:, ::2], k, v))
    patched.set_model_attn1_output_patch(lambda out, options: out.repeat_interleave(2, 1))
    with pytest.raises(ValueError, match="model: a patch of .*test_patched_models changes how many places"):
        sample(*all_doors(patched))


SHRINK = {"block_number": 1, "downscale_factor": 2.0, "start_percent": 0.0, "end_percent": 0.35, "downscale_after_skip": True}
PATCHES = {
    "HyperTile": {"tile_size": 32, "swap_size": 1, "max_depth": 0, "scale_depth": False},
    "PatchModelAddDownscale": SHRINK | {"downscale_method": "bicubic", "upscale_method": "bicubic"},
}


@pytest.mark.parametrize("node", PATCHES)
def test_deep_shrink_and_hypertile_treat_a_layouts_row_as_any_other(run, worded, layout_of, edit, follow, encode, sample, node):
    """The layout's own prompt as target, at guidance 1, is the layout that was recorded with the patch."""
    (patched,) = run(node, model=worded, **PATCHES[node])
    latent = {"samples": torch.zeros(2, 4, 16, 16)}
    layout = layout_of("a dog", latent, patched, cfg=1.0)
    same = edit("a dog", "a dog", layout, model=patched, cross_steps=1.0, self_steps=1.0)
    assert differs(sample(patched, encode("a dog"), latent), sample(worded, encode("a dog"), latent))
    assert_close(sample(*same, latent, cfg=1.0), layout.samples)
    followed = follow(layout, patched, attention_steps=1.0, feature_steps=1.0)
    assert_close(sample(followed, encode("a dog"), latent, cfg=1.0), layout.samples)
    assert differs(sample(*edit("a dog", "a lion", layout, model=patched), latent), layout.samples)


def test_a_clone_does_the_same(worded, all_doors, sample):
    model, positive = all_doors(worded)
    assert torch.equal(sample(model.clone(), positive), sample(model, positive))


def test_used_again_and_between_other_runs_it_does_the_same(worded, all_doors, sample, encode, follow, layout):
    model, positive = all_doors(worded)
    plain, first = sample(worded, encode("a lion")), sample(model, positive)
    assert differs(sample(follow(layout, attention_steps=0.2), encode("a lion")), first)
    assert torch.equal(sample(worded, encode("a lion")), plain)
    assert torch.equal(sample(model, positive), first)
