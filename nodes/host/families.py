"""What single families of models need, or cannot do: said before a run, in place of an error out of the network."""

from collections.abc import Iterator
from contextlib import contextmanager

import comfy.model_base
import torch

WIDTHS = ("context_dim", "context_in_dim", "cap_feat_dim")
"""A network's settings that say how wide the tokens are which it attends to: of UNets, of Flux and its kin, of Lumina 2 and Z-Image."""
POOLED = "pooled_output"
"""The host's name for a prompt's vector, beside its tokens."""


def check_conditionings(model, **conditionings: list) -> None:
    """Each CONDITIONING, by the name of its input, against what `model` takes. Raises ValueError for one of another family."""
    wanted = _width(model)
    for name, conditioning in conditionings.items():
        for context, _ in conditioning:
            if wanted and context.shape[-1] != wanted:
                raise ValueError(
                    f"{name} must be encoded by the model's own text encoder: its tokens are {context.shape[-1]} wide, the model takes {wanted}"
                )


@contextmanager
def pooled(**conditionings: list) -> Iterator[None]:
    """While a run begins: a family that needs a vector of the whole prompt is refused a CONDITIONING without, by the name of its input."""
    try:
        yield
    except KeyError as error:
        lacking = [name for name, conditioning in conditionings.items() if any(POOLED not in more for _, more in conditioning)]
        if error.args != (POOLED,) or not lacking:
            raise
        raise ValueError(
            f"{lacking[0]} must be encoded by the model's own text encoder: it lacks the vector of the whole prompt ({POOLED})"
        ) from None


def check_kept_shape(model) -> None:
    """Raises ValueError for a model that works on latents of another shape than its VAE's."""
    kind = model.get_model_object("latent_format")
    picture = torch.zeros(1, kind.latent_channels, *[1] * kind.latent_dimensions)
    if kind.process_in(picture).shape != picture.shape:
        raise ValueError(f"model must work on its VAE's latents as they are, which {_name(model)} does not: it cannot take a layout")


def check_run(model, cfg: float, latent: dict, **conditionings: list) -> None:
    """Raises ValueError for what the host fails at with this model: a guidance of 1, a noise mask."""
    if cfg == 1 and isinstance(model.model, comfy.model_base.Hunyuan3Dv2_1):
        raise ValueError(
            f"model must be able to see one prompt alone, which {_name(model)} is not: it needs cfg above 1 and takes no inversion"
        )
    if latent.get("noise_mask") is None:
        return
    if latent["samples"].ndim < 4:
        raise ValueError("latent must have no noise_mask where it is not a picture's: sound and shapes are redrawn as a whole")
    given = all("concat_mask" in more for conditioning in conditionings.values() for _, more in conditioning)
    if type(model.model) is comfy.model_base.HunyuanVideo15 and not given:
        raise ValueError("latent must have no noise_mask for HunyuanVideo 1.5, which takes it for a given frame: remove the mask")


def draws_videos(unet) -> bool:
    """Whether a UNet has layers in which the frames of a video see each other."""
    return any(hasattr(layer, "time_stack") for block in getattr(unet, "output_blocks", ()) for layer in block)


def _width(model) -> int | None:
    if hasattr(model.model, "cc_projection"):  # which makes other widths fit
        return None
    settings = model.model.model_config.unet_config
    if "context_embedder_config" in settings:  # SD3's
        return settings["context_embedder_config"]["params"]["in_features"]
    return next((settings[name] for name in WIDTHS if isinstance(settings.get(name), int)), None)


def _name(model) -> str:
    return type(model.model).__name__
