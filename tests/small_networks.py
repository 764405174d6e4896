"""Settings of small networks, one for each class of the host's: as few layers and as narrow as it can be."""

import comfy.ldm.audio.embedders
import torch
from inprocess import SD15

WIDTH, POOLED = 128, 128
"""Of a token in the encoding of a prompt, and of the prompt as a whole: those of the demo checkpoint's text encoder."""

UNET = SD15 | {
    "model_channels": 64,
    "num_res_blocks": [1],
    "channel_mult": [1],
    "transformer_depth": [1],
    "transformer_depth_output": [1, 1],
    "context_dim": WIDTH,
}
SDXL = UNET | {"use_linear_in_transformer": True, "adm_in_channels": POOLED + 6 * 256, "num_classes": "sequential"}
SD20 = UNET | {"use_linear_in_transformer": True}
VIDEO_UNET = SD20 | {
    "in_channels": 8,
    "num_classes": "sequential",
    "extra_ff_mix_layer": True,
    "use_spatial_context": True,
    "merge_strategy": "learned_with_images",
    "merge_factor": 0.0,
    "video_kernel_size": [3, 1, 1],
    "use_temporal_resblock": True,
    "use_temporal_attention": True,
    "disable_temporal_crossattention": False,
}
UPSCALER = SD20 | {
    "in_channels": 7,
    "num_res_blocks": [1] * 4,
    "channel_mult": [1] * 4,
    "transformer_depth": [1] * 4,
    "transformer_depth_output": [1] * 8,
}
CASCADE_LEVELS = {"c_hidden": [32, 32], "nhead": [2, 2], "blocks": [[1, 1], [1, 1]]}
PIXART = {"hidden_size": 96, "depth": 1, "num_heads": 2, "caption_channels": WIDTH, "model_max_length": 8, "pe_interpolation": 1}
HYDIT = {
    "hidden_size": 64,
    "depth": 2,
    "num_heads": 2,
    "text_states_dim": WIDTH,
    "text_states_dim_t5": WIDTH,
    "text_len": 7,
    "text_len_t5": 9,
}
STREAMS = {
    "hidden_size": 64,
    "context_in_dim": WIDTH,
    "mlp_ratio": 2.0,
    "num_heads": 2,
    "depth": 1,
    "depth_single_blocks": 1,
    "axes_dim": [8, 12, 12],
    "theta": 256,
    "qkv_bias": True,
    "in_channels": 16,
    "out_channels": 16,
}
FLUX = STREAMS | {"image_model": "flux", "vec_in_dim": POOLED, "patch_size": 2, "guidance_embed": True}
FLUX2 = FLUX | {
    "image_model": "flux2",
    "axes_dim": [8, 8, 8, 8],
    "in_channels": 128,
    "out_channels": 128,
    "vec_in_dim": None,
    "patch_size": 1,
    "global_modulation": True,
    "mlp_silu_act": True,
    "qkv_bias": False,
    "ops_bias": False,
    "default_ref_method": "index",
    "ref_index_scale": 10.0,
}
CHROMA = STREAMS | {
    "image_model": "chroma",
    "in_channels": 64,
    "out_channels": 64,
    "in_dim": 64,
    "out_dim": 64,
    "hidden_dim": 64,
    "n_layers": 1,
    "patch_size": 2,
}
RADIANCE = CHROMA | {
    "image_model": "chroma_radiance",
    "in_channels": 3,
    "out_channels": 3,
    "patch_size": 16,
    "nerf_hidden_size": 16,
    "nerf_mlp_ratio": 1,
    "nerf_depth": 1,
    "nerf_max_freqs": 2,
    "nerf_tile_size": 32,
    "nerf_final_head_type": "conv",
    "nerf_embedder_dtype": torch.float32,
}
HUNYUAN = STREAMS | {
    "image_model": "hunyuan_video",
    "patch_size": [1, 2, 2],
    "vec_in_dim": POOLED,
    "guidance_embed": True,
    "byt5": False,
    "meanflow": False,
    "use_cond_type_embedding": False,
    "vision_in_dim": None,
}
HUNYUAN15 = HUNYUAN | {"in_channels": 65, "out_channels": 32, "vec_in_dim": None, "use_cond_type_embedding": True, "vision_in_dim": 8}
HUNYUAN_IMAGE = HUNYUAN | {"patch_size": [2, 2], "in_channels": 64, "out_channels": 64, "vec_in_dim": None, "axes_dim": [16, 16]}
HUNYUAN_REFINER = HUNYUAN | {"patch_size": [1, 1, 1], "in_channels": 128, "out_channels": 64, "vec_in_dim": None, "meanflow": True}
COSMOS = {
    "image_model": "cosmos",
    "max_img_h": 16,
    "max_img_w": 16,
    "max_frames": 8,
    "in_channels": 16,
    "out_channels": 16,
    "patch_spatial": 2,
    "patch_temporal": 1,
    "model_channels": 64,
    "num_blocks": 1,
    "num_heads": 2,
    "crossattn_emb_channels": WIDTH,
    "concat_padding_mask": True,
    "pos_emb_cls": "rope3d",
    "pos_emb_interpolation": "crop",
    "use_adaln_lora": True,
    "adaln_lora_dim": 8,
}
COSMOS1 = COSMOS | {"block_config": "FA-CA-MLP", "block_x_format": "THWBD", "affline_emb_norm": True}
COSMOS1 |= {"extra_per_block_abs_pos_emb": True, "extra_per_block_abs_pos_emb_type": "learnable"}
COSMOS2 = COSMOS | {"image_model": "cosmos_predict2", "pos_emb_learnable": True, "rope_enable_fps_modulation": False}
LUMINA = {
    "image_model": "lumina2",
    "patch_size": 2,
    "in_channels": 16,
    "dim": 256,
    "cap_feat_dim": WIDTH,
    "n_layers": 1,
    "n_refiner_layers": 1,
    "qk_norm": True,
    "n_heads": 8,
    "n_kv_heads": 8,
    "axes_dims": [8, 12, 12],
    "axes_lens": [300, 512, 512],
    "ffn_dim_multiplier": 1.0,
    "multiple_of": 32,
}
ZIMAGE = LUMINA | {"z_image_modulation": True, "time_scale": 1000.0, "pad_tokens_multiple": 32, "rope_theta": 256.0}
WAN = {
    "image_model": "wan2.1",
    "model_type": "t2v",
    "dim": 64,
    "ffn_dim": 64,
    "freq_dim": 16,
    "text_dim": WIDTH,
    "num_heads": 2,
    "num_layers": 1,
    "in_dim": 16,
    "out_dim": 16,
}
HUNYUAN3D = {
    "image_model": "hunyuan3d2",
    "in_channels": 64,
    "context_in_dim": WIDTH,
    "hidden_size": 64,
    "mlp_ratio": 2.0,
    "num_heads": 2,
    "depth": 1,
    "depth_single_blocks": 1,
    "qkv_bias": True,
    "guidance_embed": False,
}


def weights_outside(name: str) -> dict:
    """Weights of what stands around the network, which the host takes from the file."""
    generator = torch.Generator().manual_seed(1)

    def fill(sizes: dict, prefix: str = "") -> dict:
        return {prefix + key: torch.randn(size, generator=generator) for key, size in sizes.items()}

    if name == "Stable_Zero123":
        return fill({"cc_projection.weight": (WIDTH, WIDTH), "cc_projection.bias": (WIDTH,)})
    if name == "StableAudio":
        sizes = {key: value.shape for key, value in comfy.ldm.audio.embedders.NumberConditioner(768).state_dict().items()}
        return fill(sizes, "conditioner.conditioners.seconds_start.") | fill(sizes, "conditioner.conditioners.seconds_total.")
    return {}
