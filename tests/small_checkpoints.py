"""Files of random weights for graphs of other families, in each family's own format and as small as the host's own loaders take them.

The loaders tell a family by its file, some by a fixed width: those are as shallow as can be instead. Text encoders have their sizes from the
host, which takes others as options (`SMALL_TEXT`); their vocabularies are whole, as tokenizers come with the host. The autoencoder of pictures has
one size only: in its place stands the host's own tiny one, which the loaders know too.
"""

import json
import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import comfy.ldm.wan.vae
import comfy.sd
import comfy.sdxl_clip
import comfy.supported_models
import comfy.text_encoders.flux
import comfy.text_encoders.qwen_image
import comfy.text_encoders.sd3_clip
import comfy.text_encoders.z_image
import folder_paths
import torch
from comfy.taesd.taesd import TAESD
from inprocess import SD15

import nodes

SHALLOW = {"num_hidden_layers": 3}
SMALL_TEXT = {
    "clip_l_model_config": SHALLOW,
    "model_config": SHALLOW,  # of a CLIP-L in a file of its own
    "clip_g_model_config": SHALLOW,
    "t5xxl_model_config": {"num_layers": 2, "num_heads": 2, "d_ff": 64},
    "qwen25_7b_model_config": {"num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64},
    "qwen3_4b_model_config": {
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "intermediate_size": 64,
        "hidden_size": 64,
    },
}
"""The host's `model_options` for its text encoders."""
LEAST_TOKENS = 32
"""Of a T5 beside a Flux, which pads prompts to 256 otherwise; the node T5TokenizerOptions sets it so too."""
POOL = 1_000_003
"""Random numbers that all weights are made of, one after the other: a prime, so that no rows are alike."""

Shapes = Mapping[str, torch.Tensor]
"""Tensors on the device "meta" by their names in a file."""


@dataclass(frozen=True)
class Files:
    """What a family's graphs load: the network and text encoder by the host's classes, in one checkpoint or in files of their own."""

    family: str
    config: dict
    text: Any
    autoencoder: Any
    checkpoint: str = ""
    network: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    autoencoders: str = ""

    def write(self, folder: Path) -> None:
        """Writes them into a folder for each kind, as in the host's `models`. `texts` names files by the encoder that is in them."""
        model_config = getattr(comfy.supported_models, self.family)(dict(self.config))
        model_config.set_inference_dtype(torch.bfloat16, None)
        with torch.device("meta"):
            network = model_config.get_model({}, "", device="meta").diffusion_model.state_dict()
            text = self.text(device="meta", dtype=torch.bfloat16, model_options=deepcopy(SMALL_TEXT)).state_dict()
            autoencoder = self.autoencoder().state_dict()
        text = {name: tensor for name, tensor in text.items() if not name.endswith("logit_scale") and ".visual." not in name}
        if self.checkpoint:
            whole = model_config.process_unet_state_dict_for_saving(network) | model_config.process_clip_state_dict_for_saving(text)
            whole |= model_config.process_vae_state_dict_for_saving(autoencoder)
            save(folder / "checkpoints" / self.checkpoint, whole)
        else:
            save(folder / "diffusion_models" / self.network, network)
            save(folder / "vae" / self.autoencoders, autoencoder)
        for encoder, file in self.texts.items():
            prefix = f"{encoder}.transformer."
            save(folder / "text_encoders" / file, {name.removeprefix(prefix): text[name] for name in text if name.startswith(prefix)})


def save(file: Path, shapes: Shapes) -> None:
    """A safetensors file of random weights, spread so that activations keep their size, norms around one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    header, end = {}, 0
    for name, tensor in shapes.items():
        begin, end = end, end + 2 * tensor.numel()
        header[name] = {"dtype": "BF16", "shape": list(tensor.shape), "data_offsets": [begin, end]}
    pool = torch.randn(POOL, generator=torch.Generator().manual_seed(0))
    written = json.dumps(header).encode()
    with file.open("wb") as out:
        out.write(len(written).to_bytes(8, "little") + written)
        for name, tensor in shapes.items():
            norm = name.endswith(("gamma", "scale")) or (tensor.ndim == 1 and name.endswith("weight"))
            spread = math.prod(tensor.shape[1:]) ** -0.5 if tensor.ndim > 1 and not norm else 0.1
            few = pool[: tensor.numel()] * spread + norm
            numbers = memoryview(few.bfloat16().view(torch.int16).numpy()).cast("B")
            left = 2 * tensor.numel()
            while left:
                left -= out.write(numbers[: min(left, len(numbers))])


def video_autoencoder() -> torch.nn.Module:
    return comfy.ldm.wan.vae.WanVAE(
        dim=16, z_dim=16, dim_mult=[1, 2, 4, 4], num_res_blocks=2, attn_scales=[], temperal_downsample=[False, True, True], dropout=0.0
    )


FLUX_AUTOENCODER = "ae.safetensors"
FILES = {
    "sdxl": Files(
        "SDXL",
        SD15
        | {
            "num_res_blocks": [2, 2, 2],
            "channel_mult": [1, 1, 1],
            "transformer_depth": [0, 0, 2, 2, 10, 10],
            "transformer_depth_output": [0, 0, 0, 1, 1, 1, 1, 1, 1],
            "context_dim": 2048,
            "use_linear_in_transformer": True,
            "adm_in_channels": 2816,
            "num_classes": "sequential",
        },
        comfy.sdxl_clip.SDXLClipModel,
        partial(TAESD, latent_channels=4),
        checkpoint="sd_xl_base_1.0.safetensors",
    ),
    "sd35": Files(
        "SD3",
        {
            "in_channels": 16,
            "out_channels": 16,
            "patch_size": 2,
            "depth": 2,
            "input_size": None,
            "adm_in_channels": 2048,
            "context_embedder_config": {"target": "torch.nn.Linear", "params": {"in_features": 4096, "out_features": 128}},
            "num_patches": 64,
            "pos_embed_max_size": 8,
            "pos_embed_scaling_factor": None,
            "qk_norm": "rms",
            "x_block_self_attn_layers": [0],
        },
        comfy.text_encoders.sd3_clip.sd3_clip(),
        partial(TAESD, latent_channels=16),
        checkpoint="sd3.5_medium_incl_clips_t5xxlfp8scaled.safetensors",
    ),
    "flux": Files(
        "Flux",
        {
            "image_model": "flux",
            "in_channels": 16,
            "out_channels": 16,
            "patch_size": 2,
            "vec_in_dim": 768,
            "context_in_dim": 4096,
            "hidden_size": 3072,
            "num_heads": 24,
            "mlp_ratio": 4.0,
            "axes_dim": [16, 56, 56],
            "theta": 10000,
            "depth": 1,
            "depth_single_blocks": 1,
            "qkv_bias": True,
            "guidance_embed": True,
        },
        comfy.text_encoders.flux.flux_clip(),
        partial(TAESD, latent_channels=16),
        network="flux1-dev.safetensors",
        texts={"clip_l": "clip_l.safetensors", "t5xxl": "t5xxl_fp16.safetensors"},
        autoencoders=FLUX_AUTOENCODER,
    ),
    "qwen_image": Files(
        "QwenImage",
        {"image_model": "qwen_image", "in_channels": 64, "num_layers": 1},
        comfy.text_encoders.qwen_image.te(),
        video_autoencoder,
        network="qwen_image_fp8_e4m3fn.safetensors",
        texts={"qwen25_7b": "qwen_2.5_vl_7b_fp8_scaled.safetensors"},
        autoencoders="qwen_image_vae.safetensors",
    ),
    "z_image": Files(
        "ZImage",
        {
            "image_model": "lumina2",
            "patch_size": 2,
            "in_channels": 16,
            "dim": 3840,
            "cap_feat_dim": 64,
            "n_layers": 1,
            "qk_norm": True,
            "n_heads": 30,
            "n_kv_heads": 30,
            "axes_dims": [32, 48, 48],
            "axes_lens": [1536, 512, 512],
            "rope_theta": 256.0,
            "ffn_dim_multiplier": 8.0 / 3.0,
            "z_image_modulation": True,
            "time_scale": 1000.0,
            "pad_tokens_multiple": 32,
        },
        comfy.text_encoders.z_image.te(),
        partial(TAESD, latent_channels=16),
        network="z_image_turbo_bf16.safetensors",
        texts={"qwen3_4b": "qwen_3_4b.safetensors"},
        autoencoders=FLUX_AUTOENCODER,
    ),
}
"""By the endings of their graphs' names."""


def _load_clip(kind: str, *names: str) -> tuple:
    files = [folder_paths.get_full_path_or_raise("text_encoders", name) for name in names]
    clip = comfy.sd.load_clip(files, clip_type=getattr(comfy.sd.CLIPType, kind.upper()), model_options=deepcopy(SMALL_TEXT))
    clip.set_tokenizer_option("t5xxl_min_length", LEAST_TOKENS)
    return (clip,)


class SmallCLIPLoader(nodes.CLIPLoader):
    def load_clip(self, clip_name, type, device):
        return _load_clip(type, clip_name)


class SmallDualCLIPLoader(nodes.DualCLIPLoader):
    def load_clip(self, clip_name1, clip_name2, type, device):
        return _load_clip(type, clip_name1, clip_name2)


class SmallCheckpointLoader(nodes.CheckpointLoaderSimple):
    def load_checkpoint(self, ckpt_name):
        file = folder_paths.get_full_path_or_raise("checkpoints", ckpt_name)
        return comfy.sd.load_checkpoint_guess_config(file, te_model_options=deepcopy(SMALL_TEXT))[:3]


SMALL_LOADERS = {
    "CLIPLoader": SmallCLIPLoader,
    "DualCLIPLoader": SmallDualCLIPLoader,
    "CheckpointLoaderSimple": SmallCheckpointLoader,
}
"""The host's own, which only give it the sizes of the text encoders too."""
