"""Prompts as tokens: which columns of an attention map belong to a word.

A prompt's encoding has one row, and so every attention map one column, for each token: chunks of begin, words, end and padding.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from .checks import check_finite_number
from .encodings import text_of
from .wording import cut, quoted

MOST_NAMED = 1000
"""More words than these are not looked for: each takes the tokenizer's time."""
MOST_LISTED = 100


@dataclass(frozen=True)
class Token:
    """One column. `key` says whether two tokens are the same, None for one that its word's first token speaks for; `word` numbers the
    prompt's words, None for begin, end and padding.
    """

    key: Hashable
    text: str
    word: int | None
    weight: float
    chunk: int
    encoder: int = 0


@dataclass(frozen=True)
class Word:
    """A word and its columns."""

    text: str
    columns: tuple[int, ...]
    keys: tuple[Hashable, ...]


def words_of(tokens: Sequence[Token]) -> list[Word]:
    """The words of a prompt in their order; a word cut by the end of a chunk is one word."""
    columns: dict[int, list[int]] = {}
    for column, token in enumerate(tokens):
        if token.word is not None:
            columns.setdefault(token.word, []).append(column)
    return [
        Word(
            "".join(tokens[column].text for column in place),
            tuple(place),
            tuple(tokens[column].key for column in place if tokens[column].key is not None),
        )
        for place in columns.values()
    ]


class WordFinder:
    """Finds words in a prompt, however many are asked for."""

    def __init__(self, tokens: Sequence[Token]):
        self.words = words_of(tokens)
        self._starts: dict[tuple[Hashable, ...], list[int]] = {}
        for place, word in enumerate(self.words):
            self._starts.setdefault(word.keys, []).append(place)

    def places(self, phrase: Sequence[Token]) -> list[int]:
        """Which of `words` are in an occurrence of `phrase`, a tokenized prompt of one or more words, as whole words; empty for none.

        Where several text encoders have read both, in what each of them has read.
        """
        by_encoder: dict[int, list[Word]] = {}
        for word in words_of(phrase):
            by_encoder.setdefault(phrase[word.columns[0]].encoder, []).append(word)
        return sorted(place for words in by_encoder.values() for place in self._places([word.keys for word in words]))

    def occurrences(self, phrase: Sequence[Token]) -> list[int]:
        """The columns of every occurrence of `phrase`; empty for none."""
        return sorted(column for place in self.places(phrase) for column in self.words[place].columns)

    def _places(self, wanted: list[tuple[Hashable, ...]]) -> set[int]:
        # The rarest word says where the phrase can be at all.
        offset = min(range(len(wanted)), key=lambda n: len(self._starts.get(wanted[n], ())), default=0)
        found: set[int] = set()
        for place in self._starts.get(wanted[offset], ()) if wanted else ():
            start = place - offset
            if start >= 0 and [word.keys for word in self.words[start : start + len(wanted)]] == wanted:
                found.update(range(start, start + len(wanted)))
        return found

    def find(self, phrase: Sequence[Token], word: str, name: str) -> list[int]:
        """The columns of every occurrence of `phrase`, which the input `name` has as `word`.

        Raises ValueError that lists the prompt's words when there is none.
        """
        found = self.occurrences(phrase)
        if not found:
            known = list(dict.fromkeys(word.text for word in self.words))
            there = ", ".join(map(cut, known[:MOST_LISTED])) or "none, it is empty"
            there += f" and {len(known) - MOST_LISTED} more" if len(known) > MOST_LISTED else ""
            raise ValueError(f"{name}: {quoted(word)} is not a word of the prompt; its words are: {there}")
        return found


def parse_words(text: str, default: float, name: str = "words") -> list[tuple[str, float]]:
    """`tiger:1.5, stripes` as `[("tiger", 1.5), ("stripes", default)]`, separated by commas or line ends; a word said twice is
    taken once, as it was said last.

    Raises ValueError naming the input `name` for a number without a word, and for too many words.
    """
    words: dict[str, float] = {}
    for part in text.replace("\n", ",").split(","):
        word, _, number = part.rpartition(":")
        try:
            word, value = word.strip(), float(number)
        except ValueError:  # no number behind the colon, or no colon: all of it is the word
            word, value = part.strip(), default
        if word:
            words[word] = value
        elif part.strip():
            raise ValueError(f"{name} must be written as word or word:number, separated by commas; got {quoted(part.strip())}")
    if len(words) > MOST_NAMED:
        raise ValueError(f"{name} must be at most {MOST_NAMED} words, got {len(words)}")
    return list(words.items())


@dataclass(frozen=True)
class Prompt:
    """A prompt as one thing: its text, the tokens of it, and its encoding, in a CONDITIONING `[[encoding, dict], ...]`.

    `name` is the input that it came by. `tokenize(text, name)` reads phrases of it as the prompt itself was read.
    """

    name: str
    text: str
    tokens: Sequence[Token]
    conditioning: list
    tokenize: Callable[[str, str], Sequence[Token]]

    @cached_property
    def encoding(self) -> Tensor:
        """`[1, W, C]`: a row for each token."""
        return text_of(*self.conditioning[0])

    @cached_property
    def finder(self) -> WordFinder:
        return WordFinder(self.tokens)

    @cached_property
    def names(self) -> list[str]:
        """The word that stands in each column; empty where none does."""
        texts = {column: word.text for word in self.finder.words for column in word.columns}
        return [texts.get(column, "") for column in range(len(self.tokens))]

    def occurrences(self, word: str, name: str) -> list[int]:
        """The columns of `word`, which the input `name` gives, wherever it occurs; empty where it does not."""
        return self.finder.occurrences(self.tokenize(word, name))

    def find(self, word: str, name: str) -> list[int]:
        """The same. Raises ValueError where it does not occur."""
        return self.finder.find(self.tokenize(word, name), word, name)

    def values(self, words: str, name: str, default: float, elsewhere: float) -> Tensor:
        """`[W]`: the number that `words`, the input `name`, gives to each column; `default` for words without one, `elsewhere` for all others.

        Raises ValueError for a word that is not in the prompt, and for a number that is not finite.
        """
        values = torch.full((len(self.tokens),), elsewhere, dtype=torch.float64)
        for word, value in parse_words(words, default, name):
            check_finite_number(name, value)
            values[self.find(word, name)] = value
        return values
