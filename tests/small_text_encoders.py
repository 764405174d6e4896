"""Text encoders with the host's own tokenizers, whose rows say which token they are of and nothing else."""

import zlib
from functools import cache

import comfy.text_encoders.hidream
import comfy.text_encoders.z_image
import torch
from small_networks import POOLED, WIDTH


def row(token) -> torch.Tensor:
    return torch.randn(WIDTH, generator=torch.Generator().manual_seed(zlib.crc32(repr(token).encode())))


class LongAndShort:
    """A text encoder whose encodings are as long as the prompt is, as Z-Image's and Qwen-Image's are."""

    def __init__(self):
        self.tokenizer = comfy.text_encoders.z_image.ZImageTokenizer()
        self.tokenize = self.tokenizer.tokenize_with_weights

    def encode_from_tokens_scheduled(self, tokens):
        (chunk,) = tokens["qwen3_4b"]
        return [[torch.stack([row(token[0]) for token in chunk])[None], {"pooled_output": torch.zeros(1, POOLED)}]]


class T5AndLlama:
    """HiDream's: T5's tokens are an encoding's rows; beside it are Llama's in each of `layers`, without the first."""

    def __init__(self, layers: int = 2):
        self.layers = layers
        self.tokenizer = comfy.text_encoders.hidream.HiDreamTokenizer()
        self.tokenize = self.tokenizer.tokenize_with_weights

    def encode_from_tokens_scheduled(self, tokens):
        (t5,), (llama,) = tokens["t5xxl"], tokens["llama"]
        beside = [torch.stack([row((layer, token[0])) for token in llama[1:]]) for layer in range(self.layers)]
        more = {"pooled_output": torch.zeros(1, POOLED), "conditioning_llama3": torch.stack(beside)[None]}
        return [[torch.stack([row(("t5", token[0])) for token in t5])[None], more]]


@cache
def t5_and_llama() -> T5AndLlama:
    return T5AndLlama()


def reading_for(family, otherwise):
    """A text encoder for prompts of a family of small models: HiDream's own, or another."""
    return t5_and_llama() if "conditioning_llama3" in family.tensors else otherwise
