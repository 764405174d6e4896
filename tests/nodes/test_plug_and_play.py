"""Plug-and-Play features: the paper's formulas, what off means, and what is left behind."""

import comfy.ldm.modules.attention
import comfy.model_management
import comfy.samplers
import comfy.supported_models
import pytest
import torch
from closeness import assert_close, differs
from inprocess import random_model

STEPS, CFG = 6, 4.0
TWO = {"samples": torch.zeros(2, 4, 8, 8)}


@pytest.fixture
def model(worded, sampling):
    assert (sampling["steps"], sampling["cfg"]) == (STEPS, CFG)
    return worded


@pytest.fixture
def explicitly(model, encode, layout_of, monkeypatch):
    """Samples a prompt the way the published code does it: the UNet's own layers rewritten, row 0 the layout's."""

    def attention(attn, x, context=None, value=None, mask=None, transformer_options=None):
        q, k, v = (part.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for part in (attn.to_q(x), attn.to_k(x), attn.to_v(x)))
        maps = (q[:1] @ k[:1].mT * attn.dim_head**-0.5).softmax(-1)
        return attn.to_out((maps @ v).transpose(1, 2).flatten(2))

    def residual(block, x, emb):
        hidden = block.in_layers(x) + block.emb_layers(emb)[..., None, None]
        return block.skip_connection(x) + block.out_layers(hidden)[:1]

    def draw(target, attention_steps, feature_steps, attention_blocks=(1, 2, 3), feature_block=1):
        layout = layout_of("a dog")
        unet, sampling = model.model.diffusion_model, model.get_model_object("model_sampling")
        context = torch.cat([encode(text)[0][0] for text in ("a dog", target, "")])
        x = layout.latents[0]
        for i, sigma in enumerate(layout.sigmas[:-1]):
            rows = torch.cat([layout.latents[i], x, x]) / (1 + sigma**2) ** 0.5
            with torch.no_grad(), monkeypatch.context() as patch:
                if sigma > sampling.percent_to_sigma(attention_steps):
                    for number in attention_blocks:
                        for block in unet.output_blocks[number][1].transformer_blocks:
                            patch.setattr(block.attn1, "forward", attention.__get__(block.attn1))
                if sigma > sampling.percent_to_sigma(feature_steps):
                    block = unet.output_blocks[feature_block][0]
                    patch.setattr(block, "_forward", residual.__get__(block))
                _, cond, uncond = unet(rows, sampling.timestep(sigma).expand(3).float(), context=context).split(1)
            x = x + (uncond + CFG * (cond - uncond)) * (layout.sigmas[i + 1] - sigma)
        return x / 0.18215

    return draw


@pytest.mark.parametrize(("attention_steps", "feature_steps"), [(0.5, 0.0), (0.0, 0.8), (0.5, 0.8), (1.0, 1.0)])
def test_the_papers_formulas(follow, sample, encode, explicitly, attention_steps, feature_steps):
    """Both conditional and unconditional rows take the layout's self-attention and features."""
    followed = sample(follow(attention_steps=attention_steps, feature_steps=feature_steps), encode("a lion"))
    assert_close(followed, explicitly("a lion", attention_steps, feature_steps))


def test_chosen_blocks(follow, sample, encode, explicitly):
    followed = sample(follow(attention_blocks="0, 2-3", feature_blocks="2"), encode("a lion"))
    assert_close(followed, explicitly("a lion", 0.5, 0.8, (0, 2, 3), 2))


def test_no_steps_are_the_plain_run(follow, sample, model, encode):
    assert torch.equal(sample(follow(attention_steps=0.0, feature_steps=0.0), encode("a lion")), sample(model, encode("a lion")))


def test_the_layouts_own_prompt_at_guidance_one_is_the_layout(follow, layout_of, sample, encode):
    layout = layout_of("a dog", cfg=1.0)
    assert_close(sample(follow(layout, attention_steps=1.0, feature_steps=1.0), encode("a dog"), cfg=1.0), layout.samples)


def test_it_is_neither_the_layout_nor_the_plain_prompt(follow, layout_of, sample, model, encode):
    followed = sample(follow(), encode("a lion"))
    assert differs(followed, layout_of("a dog").samples) and differs(followed, sample(model, encode("a lion")))


def test_one_more_row_for_a_whole_batch_while_it_is_needed(follow, sample, encode, unet_rows):
    model = follow(attention_steps=0.5, feature_steps=0.5)
    unet_rows.clear()
    sample(model, encode("a lion"), {"samples": torch.zeros(3, 4, 8, 8)})
    assert unet_rows == [7] * (STEPS // 2) + [6] * (STEPS // 2)


def test_a_row_of_a_batch_is_the_row_alone(follow, sample, encode):
    model = follow()
    assert_close(sample(model, encode("a lion"), TWO)[:1], sample(model, encode("a lion")))


def test_as_many_layouts_as_pictures(follow, layout_of, sample, encode):
    both = sample(follow(layout_of("a dog", TWO)), encode("a lion"), TWO)
    assert_close(both[:1], sample(follow(layout_of("a dog")), encode("a lion")))
    assert differs(both[1:], both[:1])


def test_the_newer_of_two_layouts_counts(follow, layout_of, sample, encode):
    older = follow(layout_of("a cat"))
    layout = layout_of("a dog")
    assert torch.equal(sample(follow(layout, older), encode("a lion")), sample(follow(layout), encode("a lion")))


@pytest.mark.parametrize("name", ["heun", "dpmpp_2m", "dpmpp_sde", "uni_pc", "euler_ancestral"])
def test_samplers_of_every_kind(follow, layout_of, sample, encode, name):
    """Also those that look between the layout's own levels, or add noise."""
    layout = layout_of("a dog", sampler_name=name)
    assert differs(
        sample(follow(layout), encode("a lion"), sampler_name=name),
        sample(follow(layout, attention_steps=0.0, feature_steps=0.0), encode("a lion"), sampler_name=name),
    )


def test_split_conditional_and_unconditional_calls_give_the_same(follow, sample, encode, monkeypatch):
    model = follow()
    together = sample(model, encode("a lion"))
    monkeypatch.setattr(
        comfy.model_management, "get_free_memory", lambda device=None, torch_free_too=False: (0, 0) if torch_free_too else 0
    )
    assert_close(sample(model, encode("a lion")), together)


@pytest.mark.parametrize("name", ["attention_pytorch", "attention_split", "attention_sub_quad"])
def test_attention_kernels_agree(follow, sample, encode, monkeypatch, name):
    model = follow()
    expected = sample(model, encode("a lion"))
    monkeypatch.setattr(comfy.ldm.modules.attention, "optimized_attention", getattr(comfy.ldm.modules.attention, name))
    assert_close(sample(model, encode("a lion")), expected, 1e-4)


def hooks_of(model):
    return [hook for module in model.model.diffusion_model.modules() for hook in module._forward_hooks.values()]


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("error", [StoppedError, comfy.model_management.InterruptProcessingException])
def test_nothing_is_left_on_the_model_after_an_error_or_interrupt(follow, sample, model, encode, error):
    """Raised inside the UNet, behind the block whose features are replaced."""
    plain, followed_model = sample(model, encode("a lion")), follow()
    followed = sample(followed_model, encode("a lion"))

    def stop(module, inputs):
        assert hooks_of(model)
        raise error

    handle = model.model.diffusion_model.output_blocks[3][0].register_forward_pre_hook(stop)
    with pytest.raises(error):
        sample(followed_model, encode("a lion"))
    handle.remove()
    assert not hooks_of(model)
    assert torch.equal(sample(model, encode("a lion")), plain)
    assert torch.equal(sample(followed_model, encode("a lion")), followed)


@pytest.fixture
def sd2(small_unet):
    """Heads of 64 channels, linear projections, v-prediction."""
    heads = {"num_heads": -1, "num_head_channels": 64, "use_linear_in_transformer": True}
    return random_model(comfy.supported_models.SD20, small_unet | heads | {"model_channels": 64})


@pytest.mark.parametrize("name", ["sdxl", "sd2"])
def test_other_families(request, run, prompt, sampling, name):
    model = request.getfixturevalue(name)
    empty = {"samples": torch.zeros(1, 4, 8, 8)}
    inputs = {"negative": prompt(0), **sampling, "cfg": 1.0}
    layout, _ = run("MagicMixLayoutFromPrompt", model=model, positive=prompt(1), latent=empty, **inputs)
    (followed,) = run("PlugAndPlayFeatures", model=model, layout=layout, attention_steps=1.0, feature_steps=1.0)

    def draw(model, number):
        return run("KSampler", model=model, positive=prompt(number), latent_image=empty, denoise=1.0, **inputs)[0]["samples"]

    assert_close(draw(followed, 1), layout.samples)
    assert not torch.allclose(draw(followed, 2), draw(model, 2)) and not torch.allclose(draw(followed, 2), layout.samples)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"attention_steps": 1.5}, r"attention_steps must lie in \[0, 1\], got 1.5"),
        ({"feature_steps": float("nan")}, r"feature_steps must lie in \[0, 1\], got nan"),
        ({"attention_blocks": "4-11"}, "attention_blocks: the model's decoder has blocks 0 to 3; got '4-11'"),
        ({"feature_blocks": "one"}, "feature_blocks: blocks must be numbers and ranges"),
    ],
)
def test_wrong_settings_are_refused(follow, settings, message):
    with pytest.raises(ValueError, match=message):
        follow(**settings)


def test_blocks_without_attention_are_refused(run, small_unet, prompt, sampling):
    """As SDXL's last level."""
    model = random_model(comfy.supported_models.SD15, small_unet | {"transformer_depth_output": [1, 1, 0, 0]})
    inputs = {"positive": prompt(1), "negative": prompt(0), "latent": {"samples": torch.zeros(1, 4, 8, 8)}}
    layout, _ = run("MagicMixLayoutFromPrompt", model=model, **inputs, **sampling)
    with pytest.raises(ValueError, match="attention_blocks: the model's decoder attends in blocks 2, 3; got '0-1'"):
        run("PlugAndPlayFeatures", model=model, layout=layout, attention_steps=0.5, feature_steps=0.8, attention_blocks="0-1")


def test_a_layout_without_a_prompt_of_its_own_is_refused(run, model, latent):
    (layout,) = run("MagicMixLayoutNoise", latent=latent(), seed=5, noise="shared")
    with pytest.raises(ValueError, match="layout must come from MagicMix Layout From Prompt or Layout Inversion"):
        run("PlugAndPlayFeatures", model=model, layout=layout, attention_steps=0.5, feature_steps=0.8)


def test_a_layout_of_several_prompts_is_refused(run, model, encode, sampling):
    (both,) = run("ConditioningCombine", conditioning_1=encode("a dog"), conditioning_2=encode("a cat"))
    inputs = {"positive": both, "negative": encode(""), "latent": {"samples": torch.zeros(1, 4, 8, 8)}}
    layout, _ = run("MagicMixLayoutFromPrompt", model=model, **inputs, **sampling)
    with pytest.raises(ValueError, match="layout must have been made with one prompt, got 2 combined ones"):
        run("PlugAndPlayFeatures", model=model, layout=layout, attention_steps=0.5, feature_steps=0.8)


def test_another_size_is_refused_before_sampling(follow, sample, encode, unet_rows):
    model = follow()
    unet_rows.clear()
    with pytest.raises(ValueError, match="layout must have the size of the latent that is sampled"):
        sample(model, encode("a lion"), {"samples": torch.zeros(1, 4, 16, 16)})
    assert not unet_rows


def test_a_prompt_limited_to_an_area_is_refused(run, follow, sample, encode):
    (part,) = run("ConditioningSetArea", conditioning=encode("a lion"), width=32, height=32, x=0, y=0, strength=1.0)
    with pytest.raises(ValueError, match="positive must not be limited to an area where a layout is followed: limit it by a mask"):
        sample(follow(), part)
    mask = torch.zeros(1, 64, 64)
    mask[..., :32] = 1
    (part,) = run("ConditioningSetMask", conditioning=encode(""), mask=mask, set_cond_area="mask bounds", strength=1.0)
    with pytest.raises(ValueError, match="negative must not be limited to an area"):
        sample(follow(), encode("a lion"), negative=part)
