"""Flavours of graphs for other families of models: their files by their usual names, in the form and with the settings that their users know.

Files, steps and settings are those of ComfyUI's own templates. `k_max` and `k_min` are the paper's everywhere: with a shift of 3, pictures
of these models are at a `k` about as noisy as those of Stable Diffusion 1.5, which are half as wide.
"""

from dataclasses import replace

from building import SAMPLING, Flavour
from mixing_graphs import image_text, image_text_custom_sampler
from word_graphs import heat_maps, word_swap

FLUX_VAE = {"class_type": "VAELoader", "vae_name": "ae.safetensors"}
IN_FOLDERS = "Its files go into the folders of `models`:"
NO_NEGATIVE = "`cfg` stays at 1: the negative prompt is not read."
FLUX_FILES = (
    f"For Flux dev. {IN_FOLDERS} *flux1-dev* into `diffusion_models`, *clip_l* and *t5xxl_fp16* or its fp8 form into `text_encoders`,"
    " *ae* into `vae`."
)


def usual(steps: int, sampler_name: str, scheduler: str) -> dict:
    return SAMPLING | {"steps": steps, "sampler_name": sampler_name, "scheduler": scheduler}


def network(name: str) -> dict:
    return {"class_type": "UNETLoader", "unet_name": name, "weight_dtype": "default"}


def text_encoder(name: str, family: str) -> dict:
    return {"class_type": "CLIPLoader", "clip_name": name, "type": family, "device": "default"}


def remark(*sentences: str) -> str:
    return "\n\n" + " ".join(sentences)


SDXL = Flavour(
    "_sdxl",
    ({"class_type": "CheckpointLoaderSimple", "ckpt_name": "sd_xl_base_1.0.safetensors"},),
    side=1024,
    cfg=8.0,
    k_max=0.6,
    k_min=0.3,
    remark=remark("Any SDXL checkpoint will do: put yours into `models/checkpoints` and choose it in *Load Checkpoint*."),
    sampling=usual(25, "euler", "normal"),
    nu=0.6,
)
SD35 = Flavour(
    "_sd35",
    ({"class_type": "CheckpointLoaderSimple", "ckpt_name": "sd3.5_medium_incl_clips_t5xxlfp8scaled.safetensors"},),
    side=1024,
    cfg=4.0,
    k_max=0.6,
    k_min=0.3,
    remark=remark("A Stable Diffusion 3.5 checkpoint with its text encoders inside: choose one of yours in *Load Checkpoint*."),
    sampling=usual(20, "euler", "sgm_uniform"),
    shift={"class_type": "ModelSamplingSD3", "shift": 3.0},
    empty="EmptySD3LatentImage",
    nu=0.6,
)
FLUX = Flavour(
    "_flux",
    (
        network("flux1-dev.safetensors"),
        {
            "class_type": "DualCLIPLoader",
            "clip_name1": "clip_l.safetensors",
            "clip_name2": "t5xxl_fp16.safetensors",
            "type": "flux",
            "device": "default",
        },
        FLUX_VAE,
    ),
    side=1024,
    cfg=1.0,
    k_max=0.6,
    k_min=0.3,
    remark=remark(FLUX_FILES, NO_NEGATIVE, "Set `guidance` instead."),
    sampling=usual(20, "euler", "simple"),
    guidance=3.5,
    empty="EmptySD3LatentImage",
    nu=0.6,
)
QWEN_IMAGE = Flavour(
    "_qwen_image",
    (
        network("qwen_image_fp8_e4m3fn.safetensors"),
        text_encoder("qwen_2.5_vl_7b_fp8_scaled.safetensors", "qwen_image"),
        {"class_type": "VAELoader", "vae_name": "qwen_image_vae.safetensors"},
    ),
    side=1328,
    cfg=2.5,
    k_max=0.6,
    k_min=0.3,
    remark=remark(
        f"For Qwen-Image. {IN_FOLDERS} *qwen_image_fp8_e4m3fn* into `diffusion_models`, *qwen_2.5_vl_7b* into `text_encoders`,",
        "*qwen_image_vae* into `vae`.",
    ),
    sampling=usual(20, "euler", "simple"),
    shift={"class_type": "ModelSamplingAuraFlow", "shift": 3.1},
    empty="EmptySD3LatentImage",
    nu=0.6,
)
Z_IMAGE = Flavour(
    "_z_image",
    (network("z_image_turbo_bf16.safetensors"), text_encoder("qwen_3_4b.safetensors", "lumina2"), FLUX_VAE),
    side=1024,
    cfg=1.0,
    k_max=0.6,
    k_min=0.3,
    remark=remark(
        f"For Z-Image Turbo. {IN_FOLDERS} *z_image_turbo_bf16* into `diffusion_models`, *qwen_3_4b* into `text_encoders`, *ae* into `vae`.",
        NO_NEGATIVE,
    ),
    sampling=usual(9, "res_multistep", "simple"),
    shift={"class_type": "ModelSamplingAuraFlow", "shift": 3.0},
    empty="EmptySD3LatentImage",
    nu=0.5,
)
FLUX_SHIFTED = replace(
    FLUX,
    remark=remark(FLUX_FILES, "`width` and `height` of *ModelSamplingFlux* are the picture's."),
    shift={"class_type": "ModelSamplingFlux", "max_shift": 1.15, "base_shift": 0.5, "width": FLUX.side, "height": FLUX.side},
)
"""As those users have it who build their sampling of the core's parts."""
FAMILY_GRAPHS = [
    *((make, family) for family in (SDXL, SD35, FLUX, QWEN_IMAGE, Z_IMAGE) for make in (image_text, word_swap, heat_maps)),
    (image_text_custom_sampler, FLUX_SHIFTED),
]
