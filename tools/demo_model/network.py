"""The demo model's UNet: the host's own UNetModel in a small configuration, with the initial values the host leaves out."""

import math

import torch
from torch import nn

from host import prepare_host


def unet_config(width, multipliers, blocks, transformers_down, transformers_up, context_width):
    """The host's configuration dict of the UNet."""
    return {
        "image_size": 32,
        "in_channels": 4,
        "out_channels": 4,
        "model_channels": width,
        "channel_mult": list(multipliers),
        "num_res_blocks": list(blocks),
        "transformer_depth": list(transformers_down),
        "transformer_depth_output": list(transformers_up),
        "transformer_depth_middle": 1,
        "use_spatial_transformer": True,
        "legacy": False,
        "context_dim": context_width,
        "use_linear_in_transformer": False,
        "adm_in_channels": None,
        "use_temporal_attention": False,
        "use_checkpoint": False,
    }


def build(config, device="cpu"):
    """The host's BaseModel of the SD1.x family; its weights are uninitialised memory."""
    prepare_host()
    import comfy.model_base
    import comfy.supported_models

    sd15 = comfy.supported_models.SD15(dict(config, dtype=torch.float32))
    sd15.set_inference_dtype(torch.float32, None)
    return comfy.model_base.BaseModel(sd15, device=device)


@torch.no_grad()
def initialise(unet):
    """Fills every parameter: torch's defaults, residual branches that start at zero, and a path that passes the noise through."""
    for module in unet.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, (nn.GroupNorm, nn.LayerNorm)):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
    for name, module in unet.named_modules():
        if type(module).__name__ == "ResBlock":
            module.out_layers[-1].weight.zero_()
        elif type(module).__name__ == "SpatialTransformer":
            module.proj_out.weight.mul_(0.3)
        elif name.endswith(("attn2.to_v", "attn2.to_out.0")):
            nn.init.orthogonal_(module.weight)  # the text counts from the first step on
    pass_noise_through(unet)
    for parameter in unet.parameters():
        parameter.requires_grad_(True)


@torch.no_grad()
def pass_noise_through(unet, bias=3.0):
    """Wires input -> output, so that the first prediction is eps = x, nearly right at high noise.

    The last GroupNorm would rescale every sample by its own deviation, which costs most where eps must be most exact.
    A constant pair +bias, -bias in each of its groups makes that deviation nearly the same for all samples;
    the first channel of a group carries the input.
    """
    first, last, norm, head = unet.input_blocks[0][0], unet.output_blocks[-1][0], unet.out[0], unet.out[-1]
    skip, width = last.skip_connection, first.weight.shape[0]
    size = norm.num_channels // norm.num_groups
    deviation = bias * math.sqrt(2 / size)
    place = torch.tensor(bias / deviation, requires_grad=True)  # of a carrier after the norm
    with torch.enable_grad():
        level = nn.functional.silu(place)
        slope = torch.autograd.grad(level, place)[0].item()
    gain = 1.05 * deviation / slope * 4 / norm.num_groups
    skip.bias.zero_()
    head.weight.zero_()
    for group in range(norm.num_groups):
        channel = size * group
        last.out_layers[-1].bias[channel] = bias
        last.out_layers[-1].bias[channel + 1] = -bias
        first.weight[channel], first.bias[channel] = 0, 0
        first.weight[channel, group % 4, 1, 1] = 1.0
        skip.weight[channel] = 0
        skip.weight[channel, skip.weight.shape[1] - width + channel, 0, 0] = 1.0
        head.weight[group % 4, channel, 1, 1] = gain
    head.bias.fill_(-gain * level.item() * norm.num_groups / 4)
