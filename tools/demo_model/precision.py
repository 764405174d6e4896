"""Which device trains, in which precision its matrix products run, and how its attention is computed."""

import contextlib
import functools

import torch


def pick_device():
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@functools.cache
def fast_bfloat16(kind):
    """True where bfloat16 products are native; elsewhere they are emulated and slower than float32."""
    if kind == "cuda":
        return torch.cuda.is_bf16_supported()
    return torch.cpu._is_avx512_bf16_supported()


def autocast(device):
    """A context in which convolutions and matrix products run in bfloat16, where that is faster."""
    if not fast_bfloat16(device.type):
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def plain_attention(host_attention, q, k, v, heads, **unused):
    """Attention as two matrix products and a softmax, [B, tokens, heads * width] in (SD3's values have their heads apart) and out.

    For maps this small a CPU's fused kernel spends a third of a training step in its backward pass.
    """
    q, k, v = (x.flatten(2).unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    weights = (q * q.shape[-1] ** -0.5 @ k.transpose(-1, -2)).softmax(-1)
    return (weights @ v).transpose(1, 2).flatten(2)


def attention_options(device):
    """The host's transformer options of a training step."""
    return {"optimized_attention_override": plain_attention} if device.type == "cpu" else {}
