"""Loads the demo checkpoint as the host's own MODEL, CLIP and VAE objects."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import comfy.latent_formats
import comfy.ldm.models.autoencoder
import comfy.model_management
import comfy.model_patcher
import comfy.sd
import comfy.sd1_clip
import comfy.supported_models
import comfy.supported_models_base
import folder_paths
import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from .autoencoder import Autoencoder

CHECKPOINT = Path(__file__).with_name("magicmix-demo.safetensors")
TRANSFORMER = Path(__file__).with_name("magicmix-demo-transformer.safetensors")
ATTACHMENT = "magicmix_demo"
"""By which nodes know the model; it says which network it is."""
PREFIXES = {"unet": "model.diffusion_model.", "text_encoder": "cond_stage_model.", "autoencoder": "first_stage_model."}


def load_demo_checkpoint(
    path: Path = CHECKPOINT, network: str = "unet", transformer: Path = TRANSFORMER
) -> tuple[comfy.model_patcher.ModelPatcher, comfy.sd.CLIP, comfy.sd.VAE]:
    """MODEL, CLIP and VAE of the checkpoint; MODEL and CLIP of the file with the other `network`, which draws by the same VAE.

    Raises ValueError that says what to do when a file is missing or damaged.
    """
    with _damage_told(path):
        config, weights = _read(path)
        vae = _load_vae(_part(weights, PREFIXES["autoencoder"]), config["autoencoder"])
        colours = {name: config[name] for name in ("latent_rgb_factors", "latent_rgb_factors_bias")}
    own = path if network == "unet" else transformer
    with _damage_told(own):
        if own != path:
            config, weights = _read(own)
        model = _load_model(_family(config), _part(weights, PREFIXES["unet"]), colours)
        clip = _load_clip(_part(weights, PREFIXES["text_encoder"]), config["text_encoder"])
    model.set_attachments(ATTACHMENT, network)
    return model, clip, vae


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError, KeyError, TypeError, RuntimeError, json.JSONDecodeError) as error:
        raise ValueError(f"the demo checkpoint {path.name} is missing or damaged, install the pack again to mend it ({error})") from error


def _read(path: Path) -> tuple[dict, dict[str, Tensor]]:
    """(configuration, weights) of a file."""
    with safe_open(path, "pt") as file:
        config = json.loads(file.metadata()["config"])
    # Not out of the open file: safetensors 0.8.0 leaks some memory with each tensor that it takes from one.
    return config, safetensors.torch.load(path.read_bytes())


def _part(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}


def _family(config: dict) -> comfy.supported_models_base.BASE:
    if "unet" in config:
        return comfy.supported_models.SD15(dict(config["unet"]))
    family = comfy.supported_models.SD3(dict(config["transformer"]))
    family.sampling_settings = {"shift": config["shift"]}
    family.latent_format = comfy.latent_formats.SD15()
    return family


def _load_model(family: comfy.supported_models_base.BASE, weights: dict[str, Tensor], colours: dict) -> comfy.model_patcher.ModelPatcher:
    """The MODEL of a family whose latents are SD1.x's in everything but the colours of their channels, which previews ask for."""
    manage = comfy.model_management
    for name, value in colours.items():
        setattr(family.latent_format, name, value)
    parameters = sum(weight.numel() for weight in weights.values())
    dtype = manage.unet_dtype(model_params=parameters, supported_dtypes=family.supported_inference_dtypes)
    family.set_inference_dtype(dtype, manage.unet_manual_cast(dtype, manage.get_torch_device(), family.supported_inference_dtypes))
    model = family.get_model({}, device=manage.unet_offload_device())
    model.diffusion_model.load_state_dict(weights)
    return comfy.model_patcher.ModelPatcher(model, load_device=manage.get_torch_device(), offload_device=manage.unet_offload_device())


def _load_clip(weights: dict[str, Tensor], config: dict) -> comfy.sd.CLIP:
    """Only the rows of trained tokens are stored; every other token gets their mean."""
    rows, ids = weights.pop("token_rows"), weights.pop("token_ids").long()
    table = rows.mean(0, keepdim=True).repeat(config["vocab_size"], 1)
    table[ids] = rows
    weights["text_model.embeddings.token_embedding.weight"] = table
    weights["text_projection.weight"] = torch.eye(config["hidden_size"])

    target = comfy.supported_models_base.ClipTarget(comfy.sd1_clip.SD1Tokenizer, comfy.sd1_clip.SD1ClipModel)
    clip = comfy.sd.CLIP(
        target, embedding_directory=folder_paths.get_folder_paths("embeddings"), model_options={"clip_l_model_config": config}
    )
    missing, unexpected = clip.load_sd(weights)
    if missing or unexpected:
        raise KeyError(f"text encoder: missing {missing}, unexpected {unexpected}")
    return clip


def _load_vae(weights: dict[str, Tensor], config: dict) -> comfy.sd.VAE:
    """The host's VAE object around our autoencoder: it can build its own kinds only, so it builds its smallest and swaps."""
    small = {
        "double_z": True,
        "z_channels": 4,
        "resolution": 32,
        "in_channels": 3,
        "out_ch": 3,
        "ch": 32,
        "ch_mult": [1],
        "num_res_blocks": 0,
        "attn_resolutions": [],
        "dropout": 0.0,
    }
    params = {"ddconfig": small, "embed_dim": 4}
    vae = comfy.sd.VAE(sd=comfy.ldm.models.autoencoder.AutoencoderKL(**params).state_dict(), config={"params": params})
    autoencoder = Autoencoder(**{key: value for key, value in config.items() if key != "factor"})
    autoencoder.load_state_dict(weights)
    vae.first_stage_model = autoencoder.requires_grad_(False).to(vae.vae_dtype)
    vae.patcher = comfy.model_patcher.ModelPatcher(
        autoencoder, load_device=vae.device, offload_device=comfy.model_management.vae_offload_device()
    )
    vae.downscale_ratio = vae.upscale_ratio = Autoencoder.factor
    return vae
