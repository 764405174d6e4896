"""The demo model's transformer: the host's own SD3 class in a small configuration, with the initial values the host leaves out."""

import math

import torch
from torch import nn

from host import prepare_host


def transformer_config(heads, blocks, context_width):
    """The host's configuration dict of an SD3 transformer; a head is 64 wide there. Places are told by sines, for any size of picture."""
    return {
        "input_size": None,
        "patch_size": 2,
        "in_channels": 4,
        "out_channels": 4,
        "depth": heads,
        "num_blocks": blocks,
        "qk_norm": "rms",
        "adm_in_channels": None,  # no pooled vector: it would carry the subject past the words
        "context_embedder_config": {
            "target": "torch.nn.Linear",
            "params": {"in_features": context_width, "out_features": 64 * heads},
        },
        "pos_embed_scaling_factor": None,
        "pos_embed_max_size": None,
        "num_patches": None,
    }


def build(config, shift=1.0, device="cpu"):
    """The host's BaseModel of the SD3 family on SD1.x's latents; its weights are uninitialised memory."""
    prepare_host()
    import comfy.latent_formats
    import comfy.supported_models

    sd3 = comfy.supported_models.SD3(dict(config, dtype=torch.float32))
    sd3.sampling_settings = {"shift": shift}
    sd3.latent_format = comfy.latent_formats.SD15()
    sd3.set_inference_dtype(torch.float32, None)
    return sd3.get_model({}, device=device)


@torch.no_grad()
def initialise(transformer):
    """Fills every parameter: torch's defaults, gates that start open before projections that start at zero, and a zero prediction."""
    for module in transformer.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif type(module).__name__ == "RMSNorm" and module.weight is not None:
            nn.init.ones_(module.weight)
    for name, module in transformer.named_modules():
        if name.endswith(("attn.proj", "mlp.fc2", "adaLN_modulation.1", "final_layer.linear")):
            module.weight.zero_()
        if name.endswith("block.adaLN_modulation.1") and module.out_features == 6 * transformer.hidden_size:
            module.bias.unflatten(0, (6, -1))[[2, 5]] = 1.0  # the gates after attention and after the MLP
    for parameter in transformer.parameters():
        parameter.requires_grad_(True)
