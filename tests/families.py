"""Every family of models that the host knows, small and with random weights: a network of its own class, a prompt and a latent for it."""

from dataclasses import dataclass, field

import comfy.supported_models
import torch
from inprocess import random_model
from small_networks import (
    CASCADE_LEVELS,
    CHROMA,
    COSMOS1,
    COSMOS2,
    FLUX,
    FLUX2,
    HUNYUAN,
    HUNYUAN3D,
    HUNYUAN15,
    HUNYUAN_IMAGE,
    HUNYUAN_REFINER,
    HYDIT,
    LUMINA,
    PIXART,
    POOLED,
    RADIANCE,
    SD20,
    SDXL,
    UNET,
    UPSCALER,
    VIDEO_UNET,
    WAN,
    WIDTH,
    ZIMAGE,
    weights_outside,
)

PICTURE, VIDEO = (8, 8), (2, 8, 8)


@dataclass(frozen=True)
class Family:
    """`config` of a small network; the `size` of its latents behind their channels; what a prompt brings besides its encoding.

    `tensors` names that by its size without the batch.
    """

    config: dict
    size: tuple[int, ...] = PICTURE
    width: int = WIDTH
    tensors: dict[str, tuple[int, ...]] = field(default_factory=dict)
    more: dict = field(default_factory=dict)
    batch: int = 1
    channels: int | None = None
    edits: bool = False
    masked: bool = False

    def model(self, name: str):
        """A MODEL of this family."""
        return random_model(getattr(comfy.supported_models, name), self.config, weights_outside(name))

    def prompt(self, number: int) -> list:
        """CONDITIONING number n."""
        generator = torch.Generator().manual_seed(number)
        sizes = {"cross_attn": (7, self.width), "pooled_output": (POOLED,)} | self.tensors
        made = {name: torch.randn(1, *size, generator=generator) for name, size in sizes.items()}
        return [[made.pop("cross_attn"), made | self.more]]

    def latent(self, model) -> dict:
        """A LATENT of random numbers."""
        channels = self.channels or model.model.latent_format.latent_channels
        return {"samples": torch.randn(self.batch, channels, *self.size, generator=torch.Generator().manual_seed(3))}


FAMILIES: dict[str, Family] = {
    "LotusD": Family(SD20 | {"adm_in_channels": 4, "num_head_channels": 64}, edits=True),
    "Stable_Zero123": Family(UNET | {"in_channels": 8}, edits=True),
    "SD15_instructpix2pix": Family(UNET | {"in_channels": 8}, edits=True),
    "SD15": Family(UNET, edits=True),
    "SD20": Family(SD20, edits=True),
    "SD21UnclipL": Family(SD20 | {"adm_in_channels": 1536, "num_classes": "sequential"}, edits=True),
    "SD21UnclipH": Family(SD20 | {"adm_in_channels": 2048, "num_classes": "sequential"}, edits=True),
    "SDXL_instructpix2pix": Family(SDXL | {"in_channels": 8}, edits=True),
    "SDXLRefiner": Family(SDXL | {"adm_in_channels": POOLED + 5 * 256}, edits=True),
    "SDXL": Family(SDXL, edits=True),
    "SSD1B": Family(SDXL, edits=True),
    "KOALA_700M": Family(SDXL | {"transformer_depth_middle": -2}, edits=True),
    "KOALA_1B": Family(SDXL, edits=True),
    "Segmind_Vega": Family(SDXL, edits=True),
    "SD_X4Upscaler": Family(UPSCALER, edits=True),
    "Stable_Cascade_C": Family(
        CASCADE_LEVELS | {"stable_cascade_stage": "c", "c_cond": 32, "c_clip_text": WIDTH, "c_clip_text_pooled": POOLED, "c_clip_seq": 2},
        tensors={"pooled_output": (1, POOLED)},
    ),
    "Stable_Cascade_B": Family(
        CASCADE_LEVELS
        | {
            "stable_cascade_stage": "b",
            "c_cond": 32,
            "c_clip": POOLED,
            "c_clip_seq": 2,
            "block_repeat": [[1, 1], [1, 1]],
            "level_config": ["CT", "CTA"],
            "dropout": [0, 0],
        },
        size=(16, 16),
        tensors={"pooled_output": (1, POOLED)},
    ),
    "SV3D_u": Family(VIDEO_UNET | {"adm_in_channels": 256}, batch=2),
    "SV3D_p": Family(VIDEO_UNET | {"adm_in_channels": 1280}, batch=2),
    "SVD_img2vid": Family(VIDEO_UNET | {"adm_in_channels": 768}, batch=2),
    "SD3": Family(
        {
            "in_channels": 16,
            "out_channels": 16,
            "patch_size": 2,
            "depth": 1,
            "input_size": None,
            "adm_in_channels": POOLED,
            "context_embedder_config": {"target": "torch.nn.Linear", "params": {"in_features": WIDTH, "out_features": 64}},
            "num_patches": 64,
            "pos_embed_max_size": 8,
            "pos_embed_scaling_factor": None,
        },
        edits=True,
    ),
    "StableAudio": Family({"audio_model": "dit1.0", "embed_dim": 768, "depth": 1, "num_heads": 12}, size=(16,), width=768),
    "AuraFlow": Family(
        {"dim": 64, "n_layers": 2, "n_double_layers": 1, "n_heads": 2, "cond_seq_dim": WIDTH, "global_conddim": 64, "max_seq": 16}
    ),
    "PixArtAlpha": Family(
        PIXART | {"image_model": "pixart_alpha", "micro_condition": True},
        size=(40, 40),
        more={"width": 320, "height": 320},
        edits=True,
    ),
    "PixArtSigma": Family(PIXART | {"image_model": "pixart_sigma", "micro_condition": False}, size=(40, 40), edits=True),
    "HunyuanDiT": Family(
        HYDIT | {"image_model": "hydit"},
        tensors={"conditioning_mt5xl": (9, WIDTH)},
        more={"attention_mask": torch.ones(1, 7), "attention_mask_mt5xl": torch.ones(1, 9)},
    ),
    "HunyuanDiT1": Family(
        HYDIT | {"image_model": "hydit1", "size_cond": True, "use_style_cond": True},
        tensors={"conditioning_mt5xl": (9, WIDTH)},
        more={"attention_mask": torch.ones(1, 7), "attention_mask_mt5xl": torch.ones(1, 9)},
    ),
    "FluxInpaint": Family(FLUX | {"in_channels": 96}, edits=True),
    "Flux": Family(FLUX, edits=True),
    "FluxSchnell": Family(FLUX | {"guidance_embed": False}, edits=True),
    "Flux2": Family(FLUX2, edits=True),
    "GenmoMochi": Family(
        {
            "image_model": "mochi_preview",
            "depth": 2,
            "patch_size": 2,
            "num_heads": 2,
            "hidden_size_x": 64,
            "hidden_size_y": 32,
            "mlp_ratio_x": 192.0,
            "mlp_ratio_y": 4.0,
            "learn_sigma": False,
            "in_channels": 12,
            "qk_norm": True,
            "qkv_bias": False,
            "out_bias": True,
            "attn_drop": 0.0,
            "posenc_preserve_area": True,
            "timestep_scale": 1000.0,
            "use_t5": True,
            "t5_feat_dim": WIDTH,
            "t5_token_length": 7,
        },
        size=VIDEO,
        more={"attention_mask": torch.ones(1, 7, dtype=torch.long)},
    ),
    "LTXV": Family(
        {
            "image_model": "ltxv",
            "num_layers": 1,
            "attention_head_dim": 32,
            "num_attention_heads": 2,
            "cross_attention_dim": 64,
            "caption_channels": WIDTH,
        },
        size=(2, 4, 4),
        more={"attention_mask": torch.ones(1, 7, dtype=torch.long)},
        edits=True,
        masked=True,
    ),
    "HunyuanVideo15_SR_Distilled": Family(HUNYUAN15 | {"in_channels": 98}, size=VIDEO),
    "HunyuanVideo15": Family(HUNYUAN15, size=VIDEO),
    "HunyuanImage21Refiner": Family(HUNYUAN_REFINER, size=(3, 8, 8), channels=32),
    "HunyuanImage21": Family(HUNYUAN_IMAGE),
    "HunyuanVideoSkyreelsI2V": Family(HUNYUAN | {"in_channels": 32}, size=VIDEO),
    "HunyuanVideoI2V": Family(HUNYUAN | {"in_channels": 33}, size=VIDEO),
    "HunyuanVideo": Family(HUNYUAN, size=VIDEO),
    "CosmosT2V": Family(COSMOS1, size=VIDEO),
    "CosmosI2V": Family(COSMOS1 | {"in_channels": 17}, size=VIDEO),
    "CosmosT2IPredict2": Family(COSMOS2, size=VIDEO, edits=True),
    "CosmosI2VPredict2": Family(COSMOS2 | {"in_channels": 17}, size=VIDEO, edits=True),
    "ZImage": Family(ZIMAGE, edits=True),
    "Lumina2": Family(LUMINA, edits=True),
    "WAN22_T2V": Family(WAN | {"in_dim": 48, "out_dim": 48}, size=VIDEO, edits=True),
    "WAN21_T2V": Family(WAN, size=VIDEO, edits=True),
    "WAN21_I2V": Family(WAN | {"model_type": "i2v", "in_dim": 36}, size=VIDEO, edits=True),
    "WAN21_FunControl2V": Family(WAN | {"model_type": "i2v", "in_dim": 48}, size=VIDEO, edits=True),
    "WAN21_Vace": Family(WAN | {"model_type": "vace", "vace_layers": 1, "vace_in_dim": 96}, size=VIDEO, edits=True),
    "WAN21_Camera": Family(WAN | {"model_type": "camera", "in_dim": 32}, size=VIDEO, edits=True),
    "WAN22_Camera": Family(WAN | {"model_type": "camera_2.2", "in_dim": 36}, size=VIDEO, edits=True),
    "WAN22_S2V": Family(WAN | {"model_type": "s2v", "audio_inject_layers": [0], "audio_dim": 16}, size=VIDEO),
    "WAN21_HuMo": Family(WAN | {"model_type": "humo", "in_dim": 36}, size=VIDEO, edits=True),
    "WAN22_Animate": Family(WAN | {"model_type": "animate", "in_dim": 36, "motion_encoder_dim": 64}, size=VIDEO, edits=True),
    "Hunyuan3Dv2mini": Family(HUNYUAN3D, size=(16,)),
    "Hunyuan3Dv2": Family(HUNYUAN3D, size=(16,)),
    "Hunyuan3Dv2_1": Family(
        {
            "image_model": "hunyuan3d2_1",
            "in_channels": 64,
            "context_dim": WIDTH,
            "hidden_size": 64,
            "num_heads": 2,
            "depth": 3,
            "guidance_cond_proj_dim": None,
        },
        size=(16,),
    ),
    "HiDream": Family(
        {
            "image_model": "hidream",
            "attention_head_dim": 32,
            "axes_dims_rope": [8, 12, 12],
            "caption_channels": [WIDTH, WIDTH],
            "max_resolution": [8, 8],
            "in_channels": 16,
            "llama_layers": [0, 1],
            "num_attention_heads": 2,
            "num_routed_experts": 2,
            "num_activated_experts": 1,
            "num_layers": 1,
            "num_single_layers": 1,
            "out_channels": 16,
            "patch_size": 2,
            "text_emb_dim": POOLED,
        },
        tensors={"conditioning_llama3": (2, 7, WIDTH)},
        edits=True,
    ),
    "Chroma": Family(CHROMA, edits=True),
    "ChromaRadiance": Family(RADIANCE, size=(64, 64), edits=True),
    "ACEStep": Family(
        {
            "audio_model": "ace",
            "attention_head_dim": 32,
            "inner_dim": 64,
            "num_attention_heads": 2,
            "num_layers": 1,
            "mlp_ratio": 2.0,
            "patch_size": [16, 1],
            "text_embedding_dim": WIDTH,
            "lyric_encoder_vocab_size": 16,
            "ssl_encoder_depths": [1, 1],
            "ssl_latent_dims": [8, 8],
        },
        size=(16, 8),
        more={"conditioning_lyrics": torch.ones(1, 5, dtype=torch.long)},
    ),
    "Omnigen2": Family(
        {
            "image_model": "omnigen2",
            "axes_dim_rope": [8, 12, 12],
            "axes_lens": [64, 64, 64],
            "hidden_size": 64,
            "multiple_of": 32,
            "num_attention_heads": 2,
            "num_kv_heads": 2,
            "num_layers": 1,
            "num_refiner_layers": 1,
            "text_feat_dim": WIDTH,
            "timestep_scale": 1000.0,
        },
        more={"attention_mask": torch.ones(1, 7, dtype=torch.long)},
    ),
    "QwenImage": Family(
        {
            "image_model": "qwen_image",
            "num_layers": 1,
            "attention_head_dim": 32,
            "num_attention_heads": 2,
            "joint_attention_dim": WIDTH,
            "axes_dims_rope": [8, 12, 12],
        },
        size=(1, 8, 8),
        edits=True,
    ),
}
