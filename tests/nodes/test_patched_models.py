"""Models that other nodes have patched at the places where ours patch, cloned models, and models that are used again."""

import comfy.ldm.modules.attention
import comfy.patcher_extension
import pytest
import torch
from closeness import differs


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


@pytest.mark.parametrize(
    ("node", "settings"),
    [("TomePatchModel", {"ratio": 0.3}), ("HyperTile", {"tile_size": 1, "swap_size": 2, "max_depth": 0, "scale_depth": False})],
)
def test_a_patch_that_changes_the_places_of_attention_is_refused(run, worded, all_doors, sample, node, settings):
    (patched,) = run(node, model=worded, **settings)
    with pytest.raises(ValueError, match="changes how many places or tokens attention sees, so no layout can be followed with it"):
        sample(*all_doors(patched), {"samples": torch.zeros(1, 4, 8, 8)})


def test_a_clone_does_the_same(worded, all_doors, sample):
    model, positive = all_doors(worded)
    assert torch.equal(sample(model.clone(), positive), sample(model, positive))


def test_used_again_and_between_other_runs_it_does_the_same(worded, all_doors, sample, encode, follow, layout):
    model, positive = all_doors(worded)
    plain, first = sample(worded, encode("a lion")), sample(model, positive)
    assert differs(sample(follow(layout, attention_steps=0.2), encode("a lion")), first)
    assert torch.equal(sample(worded, encode("a lion")), plain)
    assert torch.equal(sample(model, positive), first)
