"""Which kinds of network can be steered, and by which adapter: a UNet, or a transformer of one of these families.

A family is known by the class of its network, wherever in that class's ancestry it stands; a new host may bring others.
"""

import math
from collections.abc import Callable
from typing import Any

from ...magicmix_core.encodings import LAYERS
from .pixart import STAND_INS
from .transformer import Family, Site, Tokens, Transformer
from .unet import UNet

NAMES = "a UNet of Stable Diffusion 1.x, 2.x and XL, or a network of Flux, Chroma, SD3, Qwen-Image, Lumina 2, Z-Image, HiDream, PixArt, Wan, Cosmos Predict 2 or LTX Video"


def network_of(model) -> UNet | Transformer:
    """The adapter for the network of a MODEL. Raises ValueError for a kind that is not known."""
    network = model.model.diffusion_model
    if (unet := UNet.of(network)) is not None:
        return unet
    names = [f"{ancestor.__module__}.{ancestor.__qualname__}" for ancestor in type(network).__mro__]
    for name in names:
        if name in REFUSED:
            break
        if name in FAMILIES:
            return Transformer(network, FAMILIES[name])
    raise ValueError(f"model must be one whose words and attention can be steered: {NAMES}; got {type(model.model).__name__}")


def _later_half(number: int, count: int) -> bool:
    """Where a picture's parts know what they are: maps are read there (as in ConceptAttention, arXiv 2502.04320)."""
    return number >= count // 2


def _joint(blocks, first: int = 0, watched: bool = True) -> list[Site]:
    return [Site(block, first + i, ("joint",), watched and _later_half(i, len(blocks))) for i, block in enumerate(blocks)]


def _text_first(network: Any, columns: int, places: int) -> Tokens:
    return Tokens(slice(0, columns), slice(columns, columns + places))


def _two_streams_then_one(double: Any, single: Any) -> list[Site]:
    """Blocks of two streams, then of one, numbered on."""
    return [*_joint(double), *_joint(single, len(double), watched=not len(double))]


def _flux_sites(network: Any) -> list[Site]:
    return _two_streams_then_one(network.double_blocks, network.single_blocks)


def _least_flux_text(network: Any) -> int:
    """The host fills texts for Flux 2, which has modulation for all blocks at once, up to 512 tokens."""
    return 512 if network.params.global_modulation else 0


def _sd3_sites(network: Any) -> list[Site]:
    """SD 3.5 medium's first blocks attend twice: the second time the picture only to itself."""
    blocks = network.joint_blocks
    return [
        Site(block, i, ("joint", "itself") if block.x_block.x_block_self_attn else ("joint",), _later_half(i, len(blocks)))
        for i, block in enumerate(blocks)
    ]


def _sd3_tokens(network: Any, columns: int, places: int) -> Tokens:
    first = network.register_length + columns
    return Tokens(slice(network.register_length, first), slice(first, first + places))


def _lumina_sites(network: Any) -> list[Site]:
    """The text's own refiner is left alone."""
    return _joint(network.layers)


def _lumina_tokens(network: Any, columns: int, places: int) -> Tokens:
    """Z-Image fills the text up to a multiple of tokens."""
    multiple = getattr(network, "pad_tokens_multiple", None) or 1
    first = math.ceil(columns / multiple) * multiple
    return Tokens(slice(0, columns), slice(first, first + places))


def _hidream_sites(network: Any) -> list[Site]:
    return _two_streams_then_one(network.double_stream_blocks, network.single_stream_blocks)


def _hidream_text(prepared: dict) -> int:
    """T5's tokens, those of Llama's last layer, and those of its layer for the block."""
    if prepared.get("image_cond") is not None:
        raise ValueError("model: HiDream draws beside a picture that it is to change here, so it cannot be steered: take out the picture")
    layers = prepared.get("encoder_hidden_states_llama3")
    if layers is None:
        raise ValueError(f"model: HiDream's prompts must be encoded by its own text encoder: one lacks what Llama has read ({LAYERS})")
    return prepared["c_crossattn"].shape[1] + 2 * layers.shape[2]


def _picture_first(network: Any, columns: int, places: int) -> Tokens:
    return Tokens(slice(places, places + columns), slice(0, places))


def _apart(pairs: list[tuple[Any, Any]], calls: Callable[[Any], tuple[str, ...]] = lambda attention: ("cross",)) -> list[Site]:
    """`pairs` of each block's modules that attend to the picture and to the text; `calls(attention)` are those inside the latter."""
    sites = []
    for i, (itself, cross) in enumerate(pairs):
        sites += [Site(itself, i, ("itself",)), Site(cross, i, calls(cross), _later_half(i, len(pairs)))]
    return sites


def _wan_calls(attention: Any) -> tuple[str, ...]:
    """Image-conditioned models attend to their picture first, then to the text."""
    return ("", "cross") if type(attention).__name__ == "WanI2VCrossAttention" else ("cross",)


VITAL_LAYERS = "0-2, 17-18, 25, 28, 53-54, 56"
"""Of Flux dev's 57 blocks those without which its pictures lose most (Stable Flow, arXiv 2411.14430)."""

REFUSED = ("comfy.ldm.wan.model.WanModel_S2V",)
"""Attends to sound and to parts of a video in turn."""
FAMILIES: dict[str, Family] = {
    "comfy.ldm.flux.model.Flux": Family(
        "Flux", _flux_sites, lambda network: network.patch_size, _text_first, {57: VITAL_LAYERS}, _least_flux_text
    ),
    "comfy.ldm.chroma.model.Chroma": Family("Chroma", _flux_sites, lambda network: network.patch_size, _text_first, {57: VITAL_LAYERS}),
    "comfy.ldm.modules.diffusionmodules.mmdit.MMDiT": Family("SD3", _sd3_sites, lambda network: network.patch_size, _sd3_tokens),
    "comfy.ldm.qwen_image.model.QwenImageTransformer2DModel": Family(
        "Qwen-Image", lambda network: _joint(network.transformer_blocks), lambda network: network.patch_size, _text_first
    ),
    "comfy.ldm.lumina.model.NextDiT": Family("Lumina 2", _lumina_sites, lambda network: network.patch_size, _lumina_tokens),
    "comfy.ldm.hidream.model.HiDreamImageTransformer2DModel": Family(
        "HiDream", _hidream_sites, lambda network: network.patch_size, _picture_first, text=_hidream_text, concepts=False
    ),
    "comfy.ldm.pixart.pixartms.PixArtMS": Family(
        "PixArt",
        lambda network: _apart([(block.attn, block.cross_attn) for block in network.blocks]),
        lambda network: network.patch_size,
        _text_first,
        stand_ins=STAND_INS,
    ),
    "comfy.ldm.wan.model.WanModel": Family(
        "Wan",
        lambda network: _apart([(block.self_attn, block.cross_attn) for block in network.blocks], _wan_calls),
        lambda network: network.patch_size[-1],
        _text_first,
    ),
    "comfy.ldm.cosmos.predict2.MiniTrainDIT": Family(
        "Cosmos Predict 2",
        lambda network: _apart([(block.self_attn, block.cross_attn) for block in network.blocks]),
        lambda network: network.patch_spatial,
        _text_first,
    ),
    "comfy.ldm.lightricks.model.LTXVModel": Family(
        "LTX Video",
        lambda network: _apart([(block.attn1, block.attn2) for block in network.transformer_blocks]),
        lambda network: 1,
        _text_first,
        masked=True,
    ),
}
