"""Prompts as the host's text encoders see them."""

import hashlib
import re
from collections.abc import Hashable
from functools import partial
from itertools import zip_longest

import torch
from torch import Tensor

from ...magicmix_core.prompts import Prompt, Token
from ...magicmix_core.wording import quoted

END_OF_WORD = "</w>"
BEGIN_OF_WORD = "\N{LOWER ONE EIGHTH BLOCK}"
"""CLIP marks the ends of words, T5 and other SentencePiece vocabularies their beginnings."""


def read_prompt(clip, text: str, name: str = "text") -> Prompt:
    """A prompt, the input `name`, as `clip` reads it: done once, where a node begins. Raises ValueError for one that it cannot read."""
    phrase = partial(tokenize, clip)
    return Prompt(name, text, phrase(text, name), encode(clip, text, name), phrase)


def encode(clip, text: str, name: str = "text") -> list:
    """CONDITIONING, as the core's CLIP Text Encode makes it. Raises ValueError, naming the input `name`, for one that is not finite."""
    conditioning = clip.encode_from_tokens_scheduled(_read(clip, text, name))
    if not all(bool(torch.isfinite(encoding).all()) for encoding, _ in conditioning):
        raise ValueError(f"{name} must have weights that its encoding can bear, got one that makes it NaN or infinite, as (cat:1e400) does")
    return conditioning


def tokenize(clip, text: str, name: str = "text") -> list[Token]:
    """One token for each row of the text's encoding. Of several text encoders the first: their rows correspond.

    Raises ValueError for a text encoder whose words are not known, and, naming the input `name`, for a text that it cannot read.
    """
    chunks = next(iter(_read(clip, text, name, return_word_ids=True).values()))
    tokenizer = _tokenizer_of(clip)
    names = _embedding_names(tokenizer, text)
    begins_words = _begins_words(tokenizer)
    tokens, word, segment_before, ended = [], -1, 0, True
    for number, chunk in enumerate(chunks):
        for (value, weight, segment), following in zip_longest(chunk, chunk[1:]):
            key = _key(value)
            if segment == 0 or _is_blank(tokenizer, value, segment, following):
                tokens.append(Token(key, _piece(tokenizer, value).removesuffix(END_OF_WORD), None, weight, number))
                continue
            piece = "" if isinstance(value, Tensor) else _piece(tokenizer, value)
            written = _readable(tokenizer, piece) if piece else names.get(key, "")
            sign = begins_words and bool(written) and not any(map(str.isalnum, written))  # a word of its own, as CLIP has it
            word += ended or sign or segment != segment_before or piece.startswith(BEGIN_OF_WORD)
            segment_before, ended = segment, sign or piece.endswith(END_OF_WORD)
            tokens.append(Token(key, written, word, weight, number))
    return tokens


def _read(clip, text: str, name: str, **options) -> dict[str, list]:
    """The text's tokens by text encoder, as the host makes them."""
    try:
        return clip.tokenize(text, **options)
    except IndexError:
        if "embedding:" not in text:
            raise
        raise ValueError(f"{name} must name an embedding behind embedding:, got {quoted(text)}") from None


def _tokenizer_of(clip):
    first = next((part for part in vars(clip.tokenizer).values() if getattr(part, "inv_vocab", None)), None)
    if first is None or not (_begins_words(first) or any(piece.endswith(END_OF_WORD) for piece in first.inv_vocab.values())):
        raise ValueError(
            "clip must be a text encoder whose words are known: CLIP, as Stable Diffusion 1.x, 2.x and XL have, or T5;"
            f" got {type(clip.tokenizer).__name__}"
        )
    return first


def _begins_words(tokenizer) -> bool:
    """Whether a vocabulary marks beginnings of words; those that keep the blanks as words of their own do not."""
    return tokenizer.end_token is not None and any(piece.startswith(BEGIN_OF_WORD) for piece in tokenizer.inv_vocab.values())


def _key(value: int | Tensor) -> Hashable:
    return hashlib.sha256(value.float().cpu().numpy().tobytes()).digest() if isinstance(value, Tensor) else value


def _piece(tokenizer, value: int) -> str:
    return tokenizer.inv_vocab[value]


def _is_blank(tokenizer, value: int | Tensor, segment: int, following: tuple | None) -> bool:
    """Whether a token is the beginning of no word: none follows, or one that has a beginning of its own."""
    if isinstance(value, Tensor) or _piece(tokenizer, value) != BEGIN_OF_WORD:
        return False
    if following is None or isinstance(following[0], Tensor) or following[2] != segment:
        return True
    return _piece(tokenizer, following[0]).startswith(BEGIN_OF_WORD)


def _readable(tokenizer, piece: str) -> str:
    """A vocabulary entry as text: CLIP writes bytes as letters of its own."""
    if not hasattr(tokenizer.tokenizer, "convert_tokens_to_string"):
        return piece.replace(BEGIN_OF_WORD, " ").strip()
    return tokenizer.tokenizer.convert_tokens_to_string([piece]).strip()


def _embedding_names(tokenizer, text: str) -> dict[Hashable, str]:
    """The name of each textual-inversion embedding in `text`, by the keys of its vectors."""
    names = {}
    for name in dict.fromkeys(re.findall(r"embedding:[^\s,()]+", text)):
        tokens = (value for chunk in tokenizer.tokenize_with_weights(name) for value, _ in chunk)
        names |= {_key(vector): name for vector in tokens if isinstance(vector, Tensor)}
    return names
