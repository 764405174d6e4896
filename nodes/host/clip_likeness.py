"""Measures mixes by CLIP, which embeds pictures and texts in one space: by its vision model and the text encoder that belongs to it."""

import comfy.clip_model
import comfy.sd1_clip
import torch
from torch import Tensor, nn

from ...magicmix_core.harmony import likenesses, smaller
from .balancing import Measure

PAIRS = "ViT-L with CLIP-L, ViT-H with the text encoder of Stable Diffusion 2, ViT-bigG with the ones of SDXL"

LARGEST = 10
"""Weights of projections are far below."""


def by_clip(clip_vision, clip, text: str, target: float) -> Measure:
    """The smaller of the likenesses to the layout's picture and to `text`, weighed by `target`.

    Raises ValueError for models that do not embed pictures and texts in one space.
    """
    width = _picture_width(clip_vision)
    prompt = _embedded_text(clip, text, width)

    def embedded(pictures: Tensor) -> Tensor:
        return clip_vision.encode_image(pictures.movedim(1, -1), crop=False)["image_embeds"].double().cpu()

    def measure(mixes: Tensor, layout: Tensor, content: Tensor) -> list[tuple[float, str]]:
        found = likenesses(*map(embedded, (mixes, layout, content)), prompt)
        return [(smaller(*both, target), "layout {:.2f}, prompt {:.2f}".format(*both)) for both in found]

    return measure


def _picture_width(clip_vision) -> int:
    """How wide the embedding of a picture is."""
    model = clip_vision.model
    projection = getattr(model, "visual_projection", None)
    if not isinstance(model, comfy.clip_model.CLIPVisionModelProjection) or not isinstance(projection, nn.Module):
        raise ValueError("clip_vision must be of a CLIP, whose pictures can be compared with texts; SigLIP's and DINO's cannot here")
    return projection.weight.shape[0]


def _embedded_text(clip, text: str, width: int) -> Tensor:
    """`[1, width]`: a text among pictures."""
    _, pooled = clip.encode_from_tokens(clip.tokenize(text), return_pooled=True)
    came = None if pooled is None else pooled.shape[-1]
    if came != width:
        raise ValueError(
            f"clip and clip_vision must be of one CLIP: pictures are {width} wide, texts {came or 'not embedded as a whole'}. Pairs are {PAIRS}"
        )
    encoders = (module for module in clip.cond_stage_model.modules() if isinstance(module, comfy.sd1_clip.SDClipModel))
    found = [(encoder, weight) for encoder in encoders if (weight := _projection(encoder)) is not None and len(weight) == width]
    if not found:
        raise ValueError(
            "clip must bring its projection to where pictures are, which the text encoder in a checkpoint of Stable Diffusion 1.x lacks:"
            " load a whole CLIP-L with Load CLIP"
        )
    encoder, weight = found[0]
    pooled = pooled[:1].float().cpu()
    return (pooled if encoder.return_projected_pooled else pooled @ weight.T).double()


def _projection(encoder) -> Tensor | None:
    """`[C, C]`: what brings a text encoder's embedding to where pictures are; None where its file had none.

    There the host leaves ones on the diagonal, or what was in memory before: mostly zeros, or any numbers.
    """
    layer = getattr(encoder.transformer, "text_projection", None)
    if layer is None:
        return None
    weight = layer.weight.detach().float().cpu()
    own = not torch.equal(weight, torch.eye(len(weight))) and bool(weight.any(1).all()) and float(weight.abs().max()) < LARGEST
    return weight if own else None
