"""Tokens of every text encoder that the host has, as words: one for each row of an encoding.

Vocabularies mark words in three ways: CLIP marks their ends, T5 and other SentencePiece ones their beginnings, Qwen and other byte-level
ones the blank before them. Some encoders put a prompt into a template, whose words are not the prompt's.
"""

import hashlib
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import takewhile, zip_longest
from typing import Any

from torch import Tensor

from ...magicmix_core.prompts import Token

END_OF_WORD = "</w>"
BEGIN_OF_WORD = "\N{LOWER ONE EIGHTH BLOCK}"
BLANK_BEFORE = "\N{LATIN CAPITAL LETTER G WITH DOT ABOVE}"
"""How byte-level vocabularies write a blank."""
UNREADABLE = "\N{REPLACEMENT CHARACTER}"
"""What a part of a letter reads as."""
MOST_SHARING = 4
"""A letter has at most so many bytes."""
CONTINUED = None
"""The key of a token that goes on with a word, where words are known by their letters and not by their tokens."""

Chunk = Sequence[tuple[Any, float, int]]
"""(token or vector, weight, segment) of each place, as the host's tokenizers give them; segment 0 is begin, end and padding."""


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer of the host, and how it marks words."""

    tokenizer: Any

    @property
    def marks(self) -> str | None:
        """The mark that it uses; None for one that is not known."""
        pieces = self.tokenizer.inv_vocab.values()
        for mark, found in ((END_OF_WORD, str.endswith), (BEGIN_OF_WORD, str.startswith), (BLANK_BEFORE, str.startswith)):
            if any(found(piece, mark) for piece in pieces):
                return mark
        return None

    @property
    def special(self) -> set[int]:
        """Tokens that stand for no text, as those of a template do."""
        return set(getattr(self.tokenizer.tokenizer, "all_special_ids", ()))

    def piece(self, value: int) -> str:
        return self.tokenizer.inv_vocab[value]

    def written(self, values: Sequence[int]) -> str:
        """Tokens as text."""
        pieces = [self.piece(value) for value in values]
        if not hasattr(self.tokenizer.tokenizer, "convert_tokens_to_string"):
            return "".join(pieces).replace(BEGIN_OF_WORD, " ").strip()
        return self.tokenizer.tokenizer.convert_tokens_to_string(pieces).strip()

    def embedding_names(self, text: str) -> dict[Hashable, str]:
        """The name of each textual-inversion embedding in `text`, by the keys of its vectors."""
        names = {}
        for name in dict.fromkeys(re.findall(r"embedding:[^\s,()]+", text)):
            tokens = (value for chunk in self.tokenizer.tokenize_with_weights(name) for value, _ in chunk)
            names |= {_key(vector): name for vector in tokens if isinstance(vector, Tensor)}
        return names

    def tokens(self, chunks: Sequence[Chunk], text: str, template: Sequence[Chunk], skipped: int) -> list[Token]:
        """One for each place of `chunks` but the first `skipped`; those that `template`, the tokens of an empty prompt, has too are
        no words."""
        begins, ends = _common_ends([value for value, *_ in template[0]], [value for value, *_ in chunks[-1]], [v for v, *_ in chunks[0]])
        last = sum(map(len, chunks)) - ends
        names, marks, special = self.embedding_names(text), self.marks, self.special
        made: list[Token] = []
        word, segment_before, ended, number_of_place = -1, 0, True, -1
        letters = Letters(self, MOST_SHARING if marks == END_OF_WORD else 1)
        for number, chunk in enumerate(chunks):
            for (value, weight, segment), following in zip_longest(chunk, chunk[1:]):
                number_of_place += 1
                key = _key(value)
                outside = segment == 0 or not begins <= number_of_place < last or key in special
                if outside or self._is_blank(marks, value, segment, following):
                    shown = "" if isinstance(value, Tensor) else self.piece(value).removesuffix(END_OF_WORD)
                    made.append(Token(key, shown, None, weight, number))
                    ended = ended or marks == BLANK_BEFORE  # as behind the end of a line; else a word may go on in the next chunk
                    continue
                piece = "" if isinstance(value, Tensor) else self.piece(value)
                written = letters.of(value) if piece else names.get(key, "")
                # Signs are words of their own, as CLIP has them.
                sign = marks != END_OF_WORD and bool(written) and not any(letter.isalnum() or letter == UNREADABLE for letter in written)
                marked = marks != END_OF_WORD and piece.startswith(marks)
                word += ended or sign or segment != segment_before or marked
                segment_before, ended = segment, sign or piece.endswith(END_OF_WORD)
                made.append(Token(key, written, word, weight, number))
        made = self._known_by_letters(made) if marks == BLANK_BEFORE else made
        return made[skipped:]

    def _is_blank(self, marks: str | None, value: int | Tensor, segment: int, following: tuple | None) -> bool:
        """Whether a token is the beginning of no word: none follows, or one that has a beginning of its own."""
        if isinstance(value, Tensor):
            return False
        if marks == BLANK_BEFORE:
            return not self.written([value])
        if self.piece(value) != BEGIN_OF_WORD:
            return False
        if following is None or isinstance(following[0], Tensor) or following[2] != segment:
            return True
        return self.piece(following[0]).startswith(BEGIN_OF_WORD)

    def _pieces_of(self, values: Sequence[int]) -> str:
        return "".join(self.written([value]) for value in values)

    def _known_by_letters(self, tokens: list[Token]) -> list[Token]:
        """Words of byte-level vocabularies are cut otherwise behind a blank than at the beginning of a text: their letters tell them."""
        values: dict[int, list[int]] = {}
        for token in tokens:
            if token.word is not None and isinstance(token.key, int):
                values.setdefault(token.word, []).append(token.key)
        begun: set[int] = set()
        made = []
        for token in tokens:
            if token.word in values:
                first = token.word not in begun
                begun.add(token.word)
                word = self.written(values[token.word])
                text = (word if first else "") if UNREADABLE in self._pieces_of(values[token.word]) else token.text
                token = Token(word if first else CONTINUED, text, token.word, token.weight, token.chunk)
            made.append(token)
        return made


class Letters:
    """Tokens, one after the other, as text, where a letter's bytes may be shared out among so many at the `most`."""

    def __init__(self, vocabulary: Vocabulary, most: int):
        self.vocabulary, self.most = vocabulary, most
        self._begun: list[int] = []
        self._told = ""

    def of(self, value: int) -> str:
        """What a token adds to the text; a letter that several share is the last one's."""
        begun = [*self._begun, value]
        whole = self.vocabulary.written(begun)
        text = whole.rstrip(UNREADABLE) if len(begun) < self.most else whole
        added = text.removeprefix(self._told)
        self._begun, self._told = ([], "") if text == whole else (begun, text)
        return added


def _common_ends(template: Sequence, last: Sequence, first: Sequence) -> tuple[int, int]:
    """How many places a text's first chunk begins with as its template does, and how many its last one ends with."""

    def common(a: Sequence, b: Sequence) -> int:
        return sum(1 for _ in takewhile(lambda pair: _key(pair[0]) == _key(pair[1]), zip(a, b, strict=False)))

    begins = common(template, first)
    return begins, min(common(template[::-1], last[::-1]), len(template) - begins)


def _key(value: int | Tensor) -> Hashable:
    return hashlib.sha256(value.float().cpu().numpy().tobytes()).digest() if isinstance(value, Tensor) else value
