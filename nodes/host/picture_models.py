"""Models that draw a picture from a prompt without further settings: at which size, with how much guidance and which mix they do so best."""

from dataclasses import dataclass

import comfy.model_base
import comfy.supported_models as models
import comfy.utils
from torch import Tensor

from ...demo_model import SIDES
from ...demo_model.loader import ATTACHMENT
from ...magicmix_core.strength import MixSettings

MULTIPLE = 8


@dataclass(frozen=True)
class Suited:
    """Pictures of about `side` by `side` pixels, guidance scale `cfg`, and the `mix` that is as much of the one as of the other."""

    side: int
    cfg: float
    mix: MixSettings


DEMO_MODELS = {network: Suited(side, 4.0, MixSettings(nu=0.92, k_max=0.47, k_min=0.19)) for network, side in SIDES.items()}
PAPER = MixSettings(nu=0.7, k_max=0.6, k_min=0.3)
STABLE_DIFFUSION = {
    models.SD15: Suited(512, 7.5, PAPER),
    models.SD20: Suited(512, 7.5, PAPER),
    models.SDXL: Suited(1024, 7.0, PAPER),
    models.SSD1B: Suited(1024, 7.0, PAPER),
    models.Segmind_Vega: Suited(1024, 7.0, PAPER),
    models.KOALA_700M: Suited(1024, 7.0, PAPER),
    models.KOALA_1B: Suited(1024, 7.0, PAPER),
}


def suited(model) -> Suited:
    """What suits a MODEL, or the demo model for None. Raises ValueError for a model that needs settings of its own."""
    if network := "unet" if model is None else model.get_attachment(ATTACHMENT):
        return DEMO_MODELS[network]
    kind = type(model.model.model_config)
    if kind not in STABLE_DIFFUSION:
        raise ValueError(
            f"model must be Stable Diffusion 1.x, 2.x or XL, got {kind.__name__}: mix with others in MagicMix Interpolating KSampler,"
            " where cfg and size can be set"
        )
    found = STABLE_DIFFUSION[kind]
    wide = kind is models.SD20 and model.model.model_type == comfy.model_base.ModelType.V_PREDICTION
    return Suited(768, found.cfg, found.mix) if wide else found


def scaled(image: Tensor, suits: Suited) -> Tensor:
    """Pictures `[B, H, W, C]` as `[B, h, w, 3]` with as many pixels as suit, of the same shape but for a few pixels at the edges."""
    height, width = image.shape[1:3]
    factor = suits.side / (height * width) ** 0.5
    sizes = [max(MULTIPLE, round(length * factor / MULTIPLE) * MULTIPLE) for length in (width, height)]
    colours = image[..., :3].expand(-1, -1, -1, 3).movedim(-1, 1)
    return comfy.utils.common_upscale(colours, *sizes, "lanczos", "center").movedim(1, -1)
