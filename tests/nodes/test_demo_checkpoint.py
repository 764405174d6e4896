"""The checkpoint that comes with the pack: whatever works on SD1.x works on it."""

import gc
import sys
from random import Random

import comfy.latent_formats
import comfy.lora
import comfy.model_management
import comfy.samplers
import comfy.sd
import latent_preview
import numpy as np
import pytest
import torch
from comfy.cli_args import args
from PIL import Image
from safetensors.torch import load_file, save_file

from demo_model import SIDES
from demo_model.loader import CHECKPOINT, load_demo_checkpoint

SIDE = SIDES["unet"]
LAYOUTS = sorted((CHECKPOINT.parent / "layouts").glob("*.png"))


@pytest.fixture(scope="module")
def checkpoint(run):
    return run("MagicMixDemoCheckpoint")


@pytest.fixture(scope="module")
def draw(run, checkpoint):
    """`draw(model, ...)`: a LATENT by the core's KSampler; the prompt is "a tiger" unless another is given."""

    def sample(model=None, positive=None, width=64, height=64, **settings):
        _, clip, _ = checkpoint
        positive = positive or run("CLIPTextEncode", clip=clip, text="a tiger")[0]
        negative = run("CLIPTextEncode", clip=clip, text="")[0]
        (empty,) = run("EmptyLatentImage", width=width, height=height, batch_size=1)
        settings = {"seed": 1, "steps": 4, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0} | settings
        inputs = {"model": model or checkpoint[0], "positive": positive, "negative": negative, "latent_image": empty}
        return run("KSampler", **inputs, **settings)[0]["samples"]

    return sample


def picture(file, width=SIDE, height=SIDE):
    pixels = np.asarray(Image.open(file).convert("RGB").resize((width, height), Image.Resampling.LANCZOS))
    return torch.from_numpy(pixels / 255).float()[None]


def test_prompts_mean_something(run, checkpoint, draw):
    """Coarse, but no model that lost its text could pass."""
    means = {}
    for text in ("a banana", "a strawberry", "a frog"):
        positive = run("CLIPTextEncode", clip=checkpoint[1], text=text)[0]
        (pixels,) = run("VAEDecode", vae=checkpoint[2], samples={"samples": draw(positive=positive, width=SIDE, height=SIDE, steps=12)})
        means[text] = pixels.mean((0, 1, 2))
    assert means["a banana"][1] - means["a banana"][2] > 0.1, "yellow"
    assert means["a strawberry"][0] - means["a strawberry"][1] > 0.1, "red"
    assert means["a frog"][1] - means["a frog"][0] > 0.1, "green"


def test_the_prompts_weights_are_heard(run, checkpoint, draw):
    weighted = run("CLIPTextEncode", clip=checkpoint[1], text="a (tiger:1.4)")[0]
    assert (draw() - draw(positive=weighted)).abs().max() > 0.01


def test_the_autoencoder_returns_its_sample_layouts(run, checkpoint):
    pixels = torch.cat([picture(file) for file in LAYOUTS])
    (latent,) = run("VAEEncode", vae=checkpoint[2], pixels=pixels)
    (decoded,) = run("VAEDecode", vae=checkpoint[2], samples=latent)
    psnr = -10 * torch.log10((decoded.cpu() - pixels).square().mean((1, 2, 3)))
    assert psnr.mean() > 27 and psnr.min() > 23, dict(zip([file.stem for file in LAYOUTS], psnr.tolist(), strict=True))


def test_it_is_sd1x_in_everything_that_nodes_ask_for(checkpoint):
    model, _, vae = checkpoint
    config = model.model.model_config.unet_config
    assert isinstance(model.get_model_object("latent_format"), comfy.latent_formats.SD15)
    assert float(model.get_model_object("model_sampling").sigma_max) == pytest.approx(14.6146, abs=1e-3)
    assert model.model.model_type.name == "EPS" and not config["adm_in_channels"]
    assert vae.spacial_compression_encode() == 8 and vae.latent_channels == 4
    assert sum(depth > 0 for depth in config["transformer_depth"]) >= 2 and len(config["transformer_depth_output"]) >= 9


def test_the_file_is_small():
    assert CHECKPOINT.stat().st_size <= 40e6


def test_a_load_leaves_nothing_behind():
    """Safetensors leaks two blocks of Python's memory with every tensor that it takes out of an open file: 1,298 in this one."""

    def blocks() -> int:
        gc.collect()
        return sys.getallocatedblocks()

    load_demo_checkpoint()
    before, loads = blocks(), 5
    for _ in range(loads):
        load_demo_checkpoint()
    assert (blocks() - before) / loads < 100


@pytest.mark.parametrize(("width", "height"), [(128, 128), (96, 160), (200, 104)])
def test_the_vae_takes_batches_and_other_multiples_of_8(run, checkpoint, width, height):
    pixels = torch.cat([picture(file, width, height) for file in LAYOUTS[:3]])
    (latent,) = run("VAEEncode", vae=checkpoint[2], pixels=pixels)
    assert latent["samples"].shape == (3, 4, height // 8, width // 8)
    (decoded,) = run("VAEDecode", vae=checkpoint[2], samples=latent)
    assert decoded.shape == pixels.shape
    assert (decoded.cpu() - pixels).abs().mean() < 0.05


def test_latents_have_the_deviation_that_sd1x_expects(run, checkpoint):
    pixels = torch.cat([picture(file) for file in LAYOUTS])
    (latent,) = run("VAEEncode", vae=checkpoint[2], pixels=pixels)
    assert 0.6 < float((latent["samples"] * 0.18215).std()) < 1.6


def test_previews_have_the_pictures_own_colours(run, checkpoint):
    model, _, vae = checkpoint
    factors = model.get_model_object("latent_format")
    previewer = latent_preview.Latent2RGBPreviewer(factors.latent_rgb_factors, factors.latent_rgb_factors_bias)
    for file in LAYOUTS:
        (latent,) = run("VAEEncode", vae=vae, pixels=picture(file))
        preview = previewer.decode_latent_to_preview(model.model.process_latent_in(latent["samples"]))
        seen = torch.from_numpy(np.asarray(preview) / 255).float()
        small = picture(file, SIDE // 8, SIDE // 8)[0]
        assert (seen - small).abs().mean() < 0.1, file.name


def test_other_latents_keep_their_own_preview_colours(checkpoint):
    assert checkpoint[0].get_model_object("latent_format").latent_rgb_factors != comfy.latent_formats.SD15().latent_rgb_factors


def test_every_weight_that_a_lora_may_touch_has_a_key(checkpoint):
    keys = set(comfy.lora.model_lora_keys_unet(checkpoint[0].model, {}).values())
    attention = {key for key in checkpoint[0].model.state_dict() if "attn" in key and key.endswith("weight")}
    assert attention and attention <= keys
    text = set(comfy.lora.model_lora_keys_clip(checkpoint[1].cond_stage_model, {}).values())
    assert any("q_proj" in key for key in text)


def test_a_tiny_lora_changes_the_picture_and_only_where_it_is_loaded(checkpoint, draw, with_lora):
    before = draw()
    assert (draw(with_lora(checkpoint[0])) - before).abs().max() > 0.01
    assert torch.equal(draw(), before)


def test_a_controlnets_residuals_reach_the_picture(run, checkpoint, draw, random_controlnet):
    model, clip, _ = checkpoint
    prompt, negative = (run("CLIPTextEncode", clip=clip, text=text)[0] for text in ("a tiger", ""))
    inputs = {"positive": prompt, "negative": negative, "control_net": random_controlnet(model), "image": picture(LAYOUTS[0])}
    controlled = run("ControlNetApplyAdvanced", **inputs, start_percent=0.0, end_percent=1.0, strength=1.0)[0]
    assert (draw(positive=controlled) - draw()).abs().max() > 0.01


def test_saving_keeps_every_weight_of_the_unet(checkpoint, tmp_path):
    model, clip, vae = checkpoint
    comfy.sd.save_checkpoint(str(tmp_path / "saved.safetensors"), model, clip, vae)
    saved = load_file(tmp_path / "saved.safetensors")
    original = load_file(CHECKPOINT)
    unet = [key for key in original if key.startswith("model.diffusion_model.")]
    assert unet and all(torch.equal(saved[key].float(), original[key].float()) for key in unet)
    fresh, _, _ = load_demo_checkpoint()
    fresh.model.load_model_weights(saved, "model.diffusion_model.")
    assert torch.equal(fresh.model.state_dict()["diffusion_model.out.2.weight"], model.model.state_dict()["diffusion_model.out.2.weight"])


@pytest.mark.parametrize("option", ["bf16_unet", "fp16_unet"])
def test_other_dtypes(draw, monkeypatch, option):
    exact = draw()
    monkeypatch.setattr(args, option, True)
    model, _, _ = load_demo_checkpoint()
    assert model.model_dtype() == {"bf16_unet": torch.bfloat16, "fp16_unet": torch.float16}[option]
    rounded = draw(model)
    assert (rounded - exact).norm() / exact.norm() < 0.1


@pytest.mark.parametrize("name", comfy.samplers.SAMPLER_NAMES)
def test_every_sampler_draws(draw, name):
    assert torch.isfinite(draw(sampler_name=name)).all()


def test_wide_pictures_are_drawn_too(draw):
    assert torch.isfinite(draw(width=192, height=128)).all()


def test_an_inverted_picture_comes_back(run, checkpoint):
    """At guidance 1, over 20 steps without refinements, which is the default, to 40 dB of its latent's range."""
    model, clip, vae = checkpoint
    (latent,) = run("VAEEncode", vae=vae, pixels=picture(LAYOUTS[0]))
    (described,) = run("CLIPTextEncode", clip=clip, text=f"a {LAYOUTS[0].stem}")
    settings = {"model": model, "positive": described, "steps": 20, "scheduler": "ddim_uniform"}
    layout, _ = run("MagicMixLayoutInversion", latent=latent, refinements=0, **settings)
    free = {"negative": described, "layout": layout, "seed": 0, "cfg": 1.0, "sampler_name": "euler", "nu": 1.0, "k_max": 1.0, "k_min": 0.3}
    (again,) = run("MagicMixKSampler", **settings, **free)
    image = latent["samples"]
    error = (again["samples"] - image).square().mean()
    assert 10 * torch.log10((image.max() - image.min()) ** 2 / error) >= 40


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="the demo checkpoint nothing.safetensors is missing or damaged, install the pack again"):
        load_demo_checkpoint(tmp_path / "nothing.safetensors")


@pytest.mark.parametrize("share", [0.0, 1e-7, 1e-5, 0.5, 0.999])
def test_a_truncated_file_is_named(tmp_path, share):
    truncated = tmp_path / "short.safetensors"
    truncated.write_bytes(CHECKPOINT.read_bytes()[: int(CHECKPOINT.stat().st_size * share)])
    with pytest.raises(ValueError, match="the demo checkpoint short.safetensors is missing or damaged, install the pack again"):
        load_demo_checkpoint(truncated)


def test_an_unreadable_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="is missing or damaged, install the pack again"):
        load_demo_checkpoint(tmp_path)


def test_a_byte_gone_wrong_in_the_header_is_told_or_harmless(tmp_path):
    """Names, shapes and settings stand there: a wrong one must not come out as an error of whatever meets it first."""
    whole, damaged = CHECKPOINT.read_bytes(), tmp_path / "odd.safetensors"
    header = int.from_bytes(whole[:8], "little")
    random, told = Random(0), 0  # noqa: S311 (nothing is kept secret by it)
    for _ in range(40):
        place = random.choice((random.randrange(8 + header), 8 + random.randrange(3000)))
        damaged.write_bytes(
            whole[:place] + bytes([random.choice((0, 34, 48, 57, 91, 125, 200, random.randrange(256)))]) + whole[place + 1 :]
        )
        try:
            load_demo_checkpoint(damaged)
        except ValueError as error:
            assert str(error).startswith("the demo checkpoint odd.safetensors is missing or damaged, install the pack again")
            told += 1
    assert told > 10


def test_a_damaged_file_is_named(tmp_path):
    damaged = tmp_path / "half.safetensors"
    damaged.write_bytes(CHECKPOINT.read_bytes()[: CHECKPOINT.stat().st_size // 2])
    with pytest.raises(ValueError, match="the demo checkpoint half.safetensors is missing or damaged, install the pack again"):
        load_demo_checkpoint(damaged)


def test_a_file_of_something_else_is_refused(tmp_path):
    save_file({"weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="other.safetensors is missing or damaged"):
        load_demo_checkpoint(tmp_path / "other.safetensors")


def test_a_latent_of_another_kind_is_refused_by_the_autoencoder(run):
    _, _, vae = run("MagicMixDemoCheckpoint")
    with pytest.raises(ValueError, match=r"latent must be pictures of 4 channels \[B, 4, H, W\], got \[1, 16, 8, 8\]"):
        run("VAEDecode", samples={"samples": torch.zeros(1, 16, 8, 8)}, vae=vae)


def test_a_picture_too_small_for_the_autoencoder_is_refused(run):
    _, _, vae = run("MagicMixDemoCheckpoint")
    with pytest.raises(ValueError, match="images must be 8 x 8 pixels or more"):
        run("VAEEncode", pixels=torch.zeros(1, 7, 64, 3), vae=vae)
