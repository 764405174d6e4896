"""Prompts as the host's text encoders see them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import comfy.sd1_clip
import torch

from ...magicmix_core.encodings import LAYERS, text_of
from ...magicmix_core.prompts import Prompt, Token
from ...magicmix_core.wording import quoted
from .tokens import Vocabulary

CLIPS = ("l", "g", "h")
"""What the host calls the CLIP text encoders: where others stand beside them, their rows may only give a vector for the whole prompt."""


MOST_LETTERS = 50_000
"""The host takes ten seconds to encode a million, and nothing hears an interrupt meanwhile."""
NAMELESS = r"(?:^|[\s()])embedding:\s*(?:$|[()]|(?<=\s)embedding:)"
"""Where the host would look for the name of an embedding and find none."""
MOST_WEIGHT = 1e6
"""Times a token's vector, far from where numbers end."""


def check_readable(text: str, name: str) -> None:
    """Raises ValueError naming the input `name` for a text that would stall the server or that its text encoders fail at."""
    if len(text) > MOST_LETTERS:
        raise ValueError(f"{name} must have at most {MOST_LETTERS} letters, got {len(text)}")
    if re.search(NAMELESS, text):
        raise ValueError(f"{name} must name an embedding behind embedding:, got {quoted(text)}")
    try:
        weights = [weight for _, weight in comfy.sd1_clip.token_weights(comfy.sd1_clip.escape_important(text), 1.0)]
    except RecursionError:
        raise ValueError(f"{name} must have fewer parentheses inside each other") from None
    if not all(abs(weight) <= MOST_WEIGHT for weight in weights):
        raise _not_finite(name)


def _not_finite(name: str) -> ValueError:
    return ValueError(f"{name} must have weights that keep its encoding finite, got one that does not, as (cat:1e400)")


@dataclass(frozen=True)
class Part:
    """A text encoder whose tokens are rows of an encoding, but for the first `skipped` ones, which the host cuts off."""

    name: str
    skipped: int


class Reader:
    """A CLIP of the host that reads texts as tokens."""

    def __init__(self, clip):
        """Raises ValueError for a text encoder whose words are not known."""
        self.clip = clip
        model, tokenizers = getattr(clip, "cond_stage_model", None), vars(clip.tokenizer)
        empty = clip.tokenize("", return_word_ids=True)
        attributes = {name: next(key for key in (name, f"clip_{name}") if key in tokenizers) for name in empty}
        left_out = {key for key, value in vars(model).items() if value is None} if model is not None else set()
        found = {name: Vocabulary(tokenizers[key]) for name, key in attributes.items() if key not in left_out}
        self.vocabularies = {name: each for name, each in found.items() if each.marks is not None}
        self.templates = {name: empty[name] for name in self.vocabularies}
        if not self.vocabularies:
            raise ValueError(
                "clip must be a text encoder whose words are known: CLIP, T5, Qwen, Gemma or another with a vocabulary of words;"
                f" got {type(clip.tokenizer).__name__}"
            )

    def chunks(self, text: str, name: str) -> dict[str, list]:
        """The text's tokens by text encoder, as the host makes them. Raises ValueError naming the input `name` where it cannot."""
        check_readable(text, name)
        chunks = self.clip.tokenize(text, return_word_ids=True)
        return {part: chunks[part] for part in self.vocabularies}

    def parts(self, lengths: dict[str, int], conditioning: list) -> list[Part]:
        """The text encoders whose tokens, of so many each, are the rows of an encoding, in their order.

        Raises ValueError where no way of putting them together gives that many: an edit would be of the wrong words.
        """
        (context, more), *_ = conditioning
        width = context.shape[1]
        counts = ", ".join(f"{count} of {name}" for name, count in lengths.items())
        if LAYERS in more:  # T5's, and Llama's twice, but for the first one
            beside = more[LAYERS].shape[2]
            if lengths.get("t5xxl") != width or lengths.get("llama") != beside + 1:
                raise ValueError(
                    f"clip must give an encoding with a row for each token of T5 and of Llama, got {width} and {beside} rows for tokens that are {counts}"
                )
            return [Part("t5xxl", 0), Part("llama", 1), Part("llama", 1)]
        clips, others = [name for name in lengths if name in CLIPS], [name for name in lengths if name not in CLIPS]
        for other in others:
            if lengths[other] == width:
                return [Part(other, 0)]
            if clips and lengths[clips[0]] + lengths[other] == width:
                return [Part(clips[0], 0), Part(other, 0)]
        if clips and lengths[clips[0]] == width:
            return [Part(clips[0], 0)]
        for other in others:
            if 0 < (skipped := lengths[other] - width) < len(self.templates[other][0]):
                return [Part(other, skipped)]
        raise ValueError(f"clip must give an encoding with a row for each token, got {width} rows for tokens that are {counts}")

    def tokens(self, chunks: dict[str, list], parts: Sequence[Part], text: str) -> list[Token]:
        """One for each row of the encoding that these parts make; words, keys and chunks of several encoders are told apart."""
        made: list[Token] = []
        for number, part in enumerate(parts):
            vocabulary = self.vocabularies[part.name]
            tokens = vocabulary.tokens(chunks[part.name], text, self.templates[part.name], part.skipped)
            words = 1 + max((token.word for token in made if token.word is not None), default=-1)
            first = 1 + made[-1].chunk if made else 0
            for token in tokens:
                word, key = token.word if token.word is None else token.word + words, token.key
                key = key if key is None or not number else (number, key)
                made.append(replace(token, word=word, key=key, chunk=token.chunk + first, encoder=number))
        return made


def read_prompt(clip, text: str, name: str = "text") -> Prompt:
    """A prompt, the input `name`, as `clip` reads it: done once, where a node begins. Raises ValueError for one that it cannot read."""
    reader = Reader(clip)
    chunks = reader.chunks(text, name)
    conditioning = encode(clip, text, name)
    parts = reader.parts(_lengths(chunks), conditioning)

    def phrase(words: str, name: str) -> list[Token]:
        whole = [replace(part, skipped=0) for part in parts]
        return reader.tokens(reader.chunks(words, name), whole, words)

    return Prompt(name, text, reader.tokens(chunks, parts, text), conditioning, phrase)


def encode(clip, text: str, name: str = "text") -> list:
    """CONDITIONING, as the core's CLIP Text Encode makes it. Raises ValueError, naming the input `name`, for one that is not finite."""
    conditioning = clip.encode_from_tokens_scheduled(clip.tokenize(text))
    if not all(bool(torch.isfinite(text_of(*entry)).all()) for entry in conditioning):
        raise _not_finite(name)
    return conditioning


def tokenize(clip, text: str, name: str = "text") -> list[Token]:
    """One token for each row of the text's encoding, which is only made where several text encoders, or a template, leave it open."""
    reader = Reader(clip)
    chunks = reader.chunks(text, name)
    lengths = _lengths(chunks)
    clear = set(lengths) <= set(CLIPS)
    parts = [Part(next(iter(lengths)), 0)] if clear else reader.parts(lengths, encode(clip, text, name))
    return reader.tokens(chunks, parts, text)


def _lengths(chunks: dict[str, list]) -> dict[str, int]:
    return {part: sum(map(len, each)) for part, each in chunks.items()}
