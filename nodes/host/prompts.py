"""Prompts as the host's text encoders see them."""

import hashlib
import re
from collections.abc import Hashable

import torch
from torch import Tensor

from ...magicmix_core.prompts import Token
from ...magicmix_core.wording import quoted

END_OF_WORD = "</w>"


def encode(clip, text: str, name: str = "text") -> list:
    """CONDITIONING, as the core's CLIP Text Encode makes it. Raises ValueError, naming the input `name`, for one that is not finite."""
    conditioning = clip.encode_from_tokens_scheduled(_read(clip, text, name))
    if not all(bool(torch.isfinite(encoding).all()) for encoding, _ in conditioning):
        raise ValueError(f"{name} must have weights that its encoding can bear, got one that makes it NaN or infinite, as (cat:1e400) does")
    return conditioning


def tokenize(clip, text: str, name: str = "text") -> list[Token]:
    """One token for each row of the text's encoding. Of several text encoders the first: their rows correspond.

    Raises ValueError for a text encoder without CLIP's tokens, and, naming the input `name`, for a text that it cannot read.
    """
    chunks = next(iter(_read(clip, text, name, return_word_ids=True).values()))
    tokenizer = _clip_tokenizer(clip)
    names = _embedding_names(tokenizer, text)
    tokens, word, segment_before, ended = [], -1, 0, True
    for number, chunk in enumerate(chunks):
        for value, weight, segment in chunk:
            key = _key(value)
            if segment == 0:
                tokens.append(Token(key, _piece(tokenizer, value).removesuffix(END_OF_WORD), None, weight, number))
                continue
            word += ended or segment != segment_before
            segment_before, ended = segment, False
            if isinstance(value, Tensor):
                written = names.get(key, "")
            else:
                piece = _piece(tokenizer, value)
                written, ended = _readable(tokenizer, piece), piece.endswith(END_OF_WORD)
            tokens.append(Token(key, written, word, weight, number))
    return tokens


def _read(clip, text: str, name: str, **options) -> dict[str, list]:
    try:
        return clip.tokenize(text, **options)
    except IndexError:
        if "embedding:" not in text:
            raise
        raise ValueError(f"{name} must name an embedding behind embedding:, got {quoted(text)}") from None


def _clip_tokenizer(clip):
    for part in vars(clip.tokenizer).values():
        if getattr(part, "inv_vocab", None) and getattr(part, "end_token", None) is not None:
            return part
    raise ValueError(f"clip must be a CLIP text encoder, as Stable Diffusion 1.x, 2.x and XL have; got {type(clip.tokenizer).__name__}")


def _key(value: int | Tensor) -> Hashable:
    return hashlib.sha256(value.float().cpu().numpy().tobytes()).digest() if isinstance(value, Tensor) else value


def _piece(tokenizer, value: int) -> str:
    return tokenizer.inv_vocab[value]


def _readable(tokenizer, piece: str) -> str:
    """A vocabulary entry as text: CLIP writes bytes as letters of its own."""
    return tokenizer.tokenizer.convert_tokens_to_string([piece]).strip()


def _embedding_names(tokenizer, text: str) -> dict[Hashable, str]:
    """The name of each textual-inversion embedding in `text`, by the keys of its vectors."""
    names = {}
    for name in dict.fromkeys(re.findall(r"embedding:[^\s,()]+", text)):
        tokens = (value for chunk in tokenizer.tokenize_with_weights(name) for value, _ in chunk)
        names |= {_key(vector): name for vector in tokens if isinstance(vector, Tensor)}
    return names
