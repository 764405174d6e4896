"""Edits of prompts together with whatever else a graph may hold."""

from dataclasses import replace

import comfy.sdxl_clip
import comfy.supported_models
import pytest
import torch
from closeness import assert_close, differs
from inprocess import SD15, random_model

LONG = "a dog " + "and a cat " * 30


def test_a_lora(edit, sample, encode, worded, with_lora):
    """The source as target is the source, now the LoRA's; and its swap is another than without."""
    changed = with_lora(worded)
    same = edit("a dog", "a dog", model=changed, cross_steps=1.0, self_steps=1.0)
    assert torch.equal(sample(*same), sample(changed, encode("a dog")))
    assert differs(sample(*edit(model=changed)), sample(*edit()))


def test_a_controlnet(run, edit, sample, encode, worded, random_controlnet):
    """The source's row is drawn without it, as it was recorded; what it does to the edit stays."""
    model, positive = edit()
    inputs = {"control_net": random_controlnet(worded), "image": torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(1))}
    inputs |= {"start_percent": 0.0, "end_percent": 1.0, "strength": 1.0}
    controlled, negative = run("ControlNetApplyAdvanced", positive=positive, negative=encode(""), **inputs)
    assert differs(sample(model, controlled, negative=negative), sample(model, positive))
    off, negative_off = run("ControlNetApplyAdvanced", positive=positive, negative=encode(""), **inputs | {"strength": 0.0})
    assert_close(sample(model, off, negative=negative_off), sample(model, positive))


def test_a_timestep_range_ends_the_edit_with_its_prompt(run, edit, sample, encode):
    """Two parts of a run in one conditioning, each with a prompt of its own; only the first is edited."""
    model, edited = edit(cross_steps=1.0)
    parts = [
        run("ConditioningSetTimestepRange", conditioning=each, start=start, end=end)[0]
        for each, start, end in ((edited, 0.0, 0.2), (encode("a lion"), 0.2, 1.0))
    ]
    (both,) = run("ConditioningCombine", conditioning_1=parts[0], conditioning_2=parts[1])
    result = sample(model, both)
    assert differs(result, sample(model, edited)) and differs(result, sample(model, encode("a lion")))


def test_a_regional_mask(run, edit, sample, encode):
    model, edited = edit()
    mask = torch.zeros(1, 64, 64)
    mask[..., :32] = 1
    (left,) = run("ConditioningSetMask", conditioning=edited, mask=mask, set_cond_area="default", strength=1.0)
    (right,) = run("ConditioningSetMask", conditioning=encode("a cat"), mask=1 - mask, set_cond_area="default", strength=1.0)
    (both,) = run("ConditioningCombine", conditioning_1=left, conditioning_2=right)
    assert differs(sample(model, both), sample(model, edited))


def test_an_area_is_refused_for_a_followed_layout(run, edit, sample):
    model, edited = edit()
    (part,) = run("ConditioningSetArea", conditioning=edited, width=64, height=32, x=0, y=0, strength=1.0)
    with pytest.raises(ValueError, match="positive must not be limited to an area"):
        sample(model, part, {"samples": torch.zeros(1, 4, 8, 8)})


def test_averaged_prompts_keep_the_scales_of_the_first(run, reweight, sample, encode):
    model, weighted = reweight("a lion", "lion:-1")
    settings = {"conditioning_from": encode("a cat"), "conditioning_to_strength": 0.5}
    (averaged,) = run("ConditioningAverage", conditioning_to=weighted, **settings)
    (plain,) = run("ConditioningAverage", conditioning_to=encode("a lion"), **settings)
    assert torch.equal(averaged[0][0], plain[0][0])
    assert differs(sample(model, averaged), sample(model, plain))


def test_appended_prompts_keep_their_scales(run, reweight, sample, encode):
    """The core drops the dictionary of what it appends; the model knows the prompt by its encoding."""
    model, weighted = reweight("a lion", "lion:-1")
    (appended,) = run("ConditioningConcat", conditioning_to=encode("a house"), conditioning_from=weighted)
    off, _ = reweight("a lion", "lion:1")
    assert differs(sample(model, appended), sample(off, appended))


def test_an_edited_prompt_stands_in_a_conditioning_once(run, edit, sample):
    """The source governs all that the picture attends to: there is none left for a second time."""
    model, edited = edit("a dog", "a lion")
    (twice,) = run("ConditioningConcat", conditioning_to=edited, conditioning_from=edited)
    with pytest.raises(ValueError, match="positive must have the prompt that is edited in it once, got it 2 times"):
        sample(model, twice)


def test_a_prompt_of_two_chunks(edit, sample, encode, worded):
    """Contexts of unequal widths are repeated to one; a source of two chunks as its own target changes nothing."""
    edited = sample(*edit("a dog", LONG, cross_steps=1.0))
    assert differs(edited, sample(worded, encode(LONG))) and differs(edited, sample(worded, encode("a dog")))
    same = edit(LONG, LONG, cross_steps=1.0, self_steps=1.0)
    assert_close(sample(*same), sample(worded, encode(LONG)))


def test_words_of_the_second_chunk_are_scaled(reweight, sample, worded, encode):
    words = LONG + "lion"
    assert differs(sample(*reweight(words, "lion:-2")), sample(worded, encode(words)))


def test_as_many_sources_as_targets(edit, sample, layout_of):
    """Each row of a batch follows its own row of the layout."""
    two = {"samples": torch.zeros(2, 4, 8, 8)}
    model, edited = edit(layout=layout_of("a dog", two))
    batch = sample(model, edited, two)
    assert_close(batch[:1], sample(*edit(layout=layout_of("a dog"))))
    assert differs(batch[1:], batch[:1])


def test_an_inpaint_mask_limits_the_edit(edit, sample, layout_of):
    model, edited = edit()
    mask = torch.zeros(1, 64, 64)
    mask[..., 32:] = 1
    drawn = sample(model, edited, {"samples": layout_of("a dog").samples, "noise_mask": mask})
    assert torch.allclose(drawn[..., :3], layout_of("a dog").samples[..., :3], atol=1e-3)
    assert differs(drawn[..., 5:], layout_of("a dog").samples[..., 5:])


def test_mixing_and_an_edit_in_one_run(run, edit, layout_of, encode, sampling):
    layout = layout_of("a dog")
    model, edited = edit(layout=layout)
    inputs = {"model": model, "negative": encode(""), "layout": layout, **sampling, "k_max": 1.0, "k_min": 0.3}
    mixed = {
        (name, nu): run("MagicMixKSampler", positive=positive, nu=nu, **inputs)[0]["samples"]
        for name, positive in (("edited", edited), ("plain", encode("a lion")))
        for nu in (0.5, 1.0)
    }
    assert differs(mixed["edited", 0.5], mixed["edited", 1.0]) and differs(mixed["edited", 0.5], mixed["plain", 0.5])


def test_the_modular_sampler_draws_the_same_edit(run, edit, sample, encode, sampling):
    model, edited = edit()
    (guider,) = run("CFGGuider", model=model, positive=edited, negative=encode(""), cfg=sampling["cfg"])
    (sampler,) = run("KSamplerSelect", sampler_name="euler")
    (sigmas,) = run("BasicScheduler", model=model, scheduler="normal", steps=sampling["steps"], denoise=1.0)
    (noise,) = run("RandomNoise", noise_seed=sampling["seed"])
    inputs = {"noise": noise, "guider": guider, "sampler": sampler, "sigmas": sigmas, "latent_image": {"samples": torch.zeros(1, 4, 8, 8)}}
    assert torch.equal(run("SamplerCustomAdvanced", **inputs)[0]["samples"], sample(model, edited))


class SdxlText:
    """SDXL's tokens with random encodings of the small model's width."""

    def __init__(self):
        self.tokenizer = comfy.sdxl_clip.SDXLTokenizer()
        self.tokenize = self.tokenizer.tokenize_with_weights

    def encode_from_tokens_scheduled(self, tokens):
        generator = torch.Generator().manual_seed(sum(token for token, *_ in tokens["l"][0]) % 1000)
        return [[torch.randn(1, 77, 64, generator=generator), {"pooled_output": torch.randn(1, 1280, generator=generator)}]]


def test_sdxl(run, sdxl, sampling):
    clip = SdxlText()
    source, target, empty = (run("CLIPTextEncode", clip=clip, text=text)[0] for text in ("a dog", "a lion", ""))

    def draw(model, positive):
        inputs = {
            "model": model,
            "positive": positive,
            "negative": empty,
            "latent_image": {"samples": torch.zeros(1, 4, 8, 8)},
            "denoise": 1.0,
        }
        return run("KSampler", **inputs, **sampling)[0]["samples"]

    layout, _ = run(
        "MagicMixLayoutFromPrompt", model=sdxl, positive=source, negative=empty, latent={"samples": torch.zeros(1, 4, 8, 8)}, **sampling
    )
    inputs = {"model": sdxl, "clip": clip, "layout": layout, "source_text": "a dog", "edit": "auto", "cross_steps": 1.0, "self_steps": 1.0}
    assert_close(draw(*run("PromptToPrompt", **inputs, target_text="a dog")), draw(sdxl, source))
    edited = draw(*run("PromptToPrompt", **inputs, target_text="a lion"))
    assert not torch.equal(edited, draw(sdxl, target)) and not torch.equal(edited, draw(sdxl, source))


def test_other_packs_patches_see_the_hosts_rows_only(edit, sample):
    """And are carried out under an edit too."""
    seen = []

    def foreign(q, k, v, options):
        import comfy.ldm.modules.attention

        seen.append(len(q))
        return comfy.ldm.modules.attention.optimized_attention(q, k, v, options["n_heads"]) * 1.1

    def output_patch(n, options):
        seen.append(len(n))
        return n

    model, edited = edit()
    patched = model.clone()
    patched.set_model_attn2_output_patch(output_patch)
    for place in (("input", 1), ("output", 0)):
        patched.set_model_attn2_replace(foreign, *place)
    assert differs(sample(patched, edited), sample(model, edited))
    assert set(seen) == {2}


def test_the_choice_of_auto_is_told(edit, caplog):
    with caplog.at_level("INFO"):
        edit("a dog", "a lion")
        edit("a dog", "a red dog")
    assert [record.message for record in caplog.records if "edit:" in record.message] == ["MagicMix: edit: swap", "MagicMix: edit: refine"]


def test_recorded_maps_of_an_edit_between_prompts_of_unequal_widths(run, clip, edit, sample):
    """The long prompt's maps hold all of its attention, also while the short source's governs: every word, begin and padding apart."""
    model, edited = edit("a dog", LONG, cross_steps=1.0)
    watched, recording = run("CrossAttnRecord", model=model, clip=clip, text=LONG, words="a, dog, and, cat", resolution="8")
    sample(watched, edited)
    assert torch.isfinite(recording.runs[-1].maps).all() and 0 < recording.runs[-1].maps.sum(1).max() <= 1


def test_recorded_maps_of_an_edited_batch_are_those_of_each_picture(run, clip, edit, sample):
    edited, positive = edit()
    found = []
    for rows in (1, 2):
        model, recording = run("CrossAttnRecord", model=edited, clip=clip, text="a lion", words="lion", resolution="8")
        sample(model, positive, {"samples": torch.zeros(rows, 4, 8, 8)})
        found.append(recording.runs[-1].maps)
    assert len(found[1]) == 2
    assert_close(found[1][:1], found[0])
    assert differs(found[1][1:], found[0])


def test_a_layout_of_another_family_is_refused_before_sampling(edit, sample, layout_of):
    other = replace(layout_of("a dog"), latent_format="SDXL")
    with pytest.raises(ValueError, match="layout was recorded on SDXL latents, the model works on SD15"):
        sample(*edit(layout=other))


def test_a_model_without_cross_attention_is_refused(run, reweight, sample):
    flat = {"model_channels": 32, "num_res_blocks": [1], "channel_mult": [1], "transformer_depth": [0], "transformer_depth_output": [0, 0]}
    model = random_model(comfy.supported_models.SD15, SD15 | flat | {"transformer_depth_middle": -1})
    with pytest.raises(ValueError, match="model must be one whose words and attention can be steered"):
        sample(*reweight("a lion", "lion:2", model=model))
