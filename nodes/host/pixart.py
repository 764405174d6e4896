"""PixArt's attention: its modules do not hand a call's transformer_options on, so that nothing set there is ever asked.

For one call these stand in for the modules' own `forward`: the same in the modules' own layers, with the options handed on.
"""

import comfy.ldm.pixart.blocks as blocks
from torch import Tensor, nn


def attend_to_text(module: nn.Module, options: dict, x: Tensor, cond: Tensor, mask=None, **more) -> Tensor:
    """`MultiHeadCrossAttention.forward`: places `x` `[B, N, C]` attend to `cond` `[1, B * W, C]`, the text of all rows."""
    q, (k, v) = module.q_linear(x), module.kv_linear(cond).unflatten(-1, (2, -1)).unbind(-2)
    k, v = (tensor.view(len(x), -1, tensor.shape[-1]) for tensor in (k, v))
    out = blocks.optimized_attention(q, k, v, module.num_heads, mask=mask, transformer_options=options)
    return module.proj_drop(module.proj(out))


def attend_to_itself(module: nn.Module, options: dict, x: Tensor, mask=None, **more) -> Tensor:
    """`AttentionKVCompress.forward`: places `x` `[B, N, C]` attend to each other, or to fewer that stand for them."""
    height, width = more.get("HW") or (int(x.shape[1] ** 0.5),) * 2
    q, k, v = module.qkv(x).unflatten(-1, (3, -1)).unbind(-2)
    q, k = module.q_norm(q), module.k_norm(k)
    if module.sr_ratio > 1:
        (k, _), (v, _) = (module.downsample_2d(tensor, height, width, module.sr_ratio, sampling=module.sampling) for tensor in (k, v))
    q, k, v = (tensor.unflatten(-1, (module.num_heads, -1)).transpose(1, 2) for tensor in (q, k, v))
    out = blocks.optimized_attention(q, k, v, module.num_heads, mask=mask, skip_reshape=True, transformer_options=options)
    return module.proj(out.view(x.shape))


STAND_INS = {blocks.MultiHeadCrossAttention: attend_to_text, blocks.AttentionKVCompress: attend_to_itself}
