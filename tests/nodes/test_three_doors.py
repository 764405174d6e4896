"""Mixing, edits of prompts and Plug-and-Play in one run, with whatever else a graph may hold."""

import itertools

import pytest
import torch
from closeness import assert_close, differs

SETTINGS = {"cross_steps": 0.5, "self_steps": 0.5}


@pytest.fixture
def doors(edit, follow, reweight, layout, with_lora):
    """Four nodes that change the model, by name: each takes it and returns it, with its conditioning or None."""
    return {
        "edit": lambda model: edit("a dog", "a lion", layout, model, **SETTINGS),
        "reweight": lambda model: reweight("a lion", "lion:1.5", model=model),
        "features": lambda model: (follow(layout, model), None),
        "lora": lambda model: (with_lora(model), None),
    }


@pytest.fixture
def chained(doors, worded):
    """`chained("edit", "features", ...)`: (MODEL, CONDITIONING) of the nodes in this order; the edit's conditioning where there is one."""

    def chain(*names):
        model, conditionings = worded, {}
        for name in names:
            model, conditionings[name] = doors[name](model)
        return model, conditionings.get("edit") or conditionings.get("reweight")

    return chain


@pytest.fixture
def mix(run, layout, encode, sampling):
    """`mix(model, positive, ...)`: what MagicMixKSampler draws."""

    def draw(model, positive, negative=None, layout=layout, **settings):
        settings = {"nu": 0.6, "k_max": 1.0, "k_min": 0.3} | settings
        inputs = {"model": model, "positive": positive, "negative": negative or encode(""), "layout": layout}
        return run("MagicMixKSampler", **inputs, **sampling, **settings)[0]["samples"]

    return draw


def test_the_order_of_the_nodes_does_not_matter(chained, mix):
    names = ("edit", "reweight", "features", "lora")
    results = [mix(*chained(*order)) for order in itertools.permutations(names)]
    assert all(torch.equal(result, results[0]) for result in results[1:])


def test_every_door_tells(chained, mix, encode, worded):
    all_three = mix(*chained("edit", "features"))
    assert differs(all_three, mix(*chained("edit")), by=1e-4) and differs(all_three, mix(chained("features")[0], encode("a lion")))
    assert differs(all_three, mix(*chained("edit", "features"), nu=1.0), by=1e-4)
    assert differs(mix(chained("features")[0], encode("a lion")), mix(worded, encode("a lion")), by=1e-4)


def test_doors_that_are_shut_change_nothing(edit, follow, layout, mix, encode, worded):
    model, positive = edit(
        "a cat", "a lion", layout, follow(layout, attention_steps=0.0, feature_steps=0.0), cross_steps=0.0, self_steps=0.0
    )
    assert torch.equal(mix(model, positive), mix(worded, encode("a lion")))


def test_a_shut_edit_leaves_the_features_their_own_prompt(edit, follow, layout, sample, encode):
    model = follow(layout)
    shut, positive = edit("a cat", "a lion", layout, model, cross_steps=0.0, self_steps=0.0)
    assert torch.equal(sample(shut, positive), sample(model, encode("a lion")))


def test_one_layout_needs_one_row(chained, mix, unet_rows):
    model, positive = chained("edit", "features")
    unet_rows.clear()
    mix(model, positive)
    assert max(unet_rows) == 3


def test_also_where_the_edit_describes_it_otherwise(edit, follow, layout, mix, unet_rows):
    """The edit's source_text counts then."""
    model, positive = edit("a cat", "a lion", layout, follow(layout))
    unet_rows.clear()
    mix(model, positive)
    assert max(unet_rows) == 3


def test_two_layouts_need_two_rows(edit, follow, layout_of, sample, unet_rows):
    model, positive = edit("a dog", "a lion", layout_of("a dog"), follow(layout_of("a cat")))
    unet_rows.clear()
    sample(model, positive)
    assert max(unet_rows) == 4


def test_a_controlnet(run, chained, mix, encode, worded, random_controlnet):
    model, positive = chained("edit", "features")
    inputs = {"control_net": random_controlnet(worded), "image": torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(1))}
    inputs |= {"start_percent": 0.0, "end_percent": 1.0}

    def controlled(strength):
        prompts = run("ControlNetApplyAdvanced", positive=positive, negative=encode(""), strength=strength, **inputs)
        return mix(model, *prompts)

    assert differs(controlled(1.0), mix(model, positive), by=1e-4)
    assert_close(controlled(0.0), mix(model, positive))


def test_an_inpaint_mask(chained, sample, layout):
    mask = torch.zeros(1, 64, 64)
    mask[..., 32:] = 1
    drawn = sample(*chained("edit", "features"), {"samples": layout.samples, "noise_mask": mask})
    assert torch.allclose(drawn[..., :3], layout.samples[..., :3], atol=1e-3)
    assert differs(drawn[..., 5:], layout.samples[..., 5:])


def test_a_batch_is_its_rows_alone(chained, mix):
    model, positive = chained("edit", "features")
    both = mix(model, positive, nu_map=torch.stack([torch.full((64, 64), nu) for nu in (0.3, 0.8)]))
    for row, nu in zip(both.split(1), (0.3, 0.8), strict=True):
        assert_close(row, mix(model, positive, nu=nu))


def test_the_modular_sampler(run, chained, mix, layout, encode, sampling):
    model, positive = chained("edit", "features")
    (guider,) = run("CFGGuider", model=model, positive=positive, negative=encode(""), cfg=sampling["cfg"])
    (base,) = run("KSamplerSelect", sampler_name="euler")
    (sampler,) = run("MagicMixSampler", sampler=base, layout=layout, nu=0.6, k_max=1.0, k_min=0.3)
    (sigmas,) = run("BasicScheduler", model=model, scheduler="normal", steps=sampling["steps"], denoise=1.0)
    (noise,) = run("RandomNoise", noise_seed=sampling["seed"])
    inputs = {"noise": noise, "guider": guider, "sampler": sampler, "sigmas": sigmas, "latent_image": {"samples": torch.zeros(1, 4, 8, 8)}}
    assert torch.equal(run("SamplerCustomAdvanced", **inputs)[0]["samples"], mix(model, positive))
