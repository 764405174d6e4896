"""Prompts as tokens: which columns of an attention map belong to a word, and how the tokens of two prompts correspond.

A prompt's encoding has one row, and so every attention map one column, for each token: chunks of begin, words, end and padding.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import torch
from torch import Tensor


@dataclass(frozen=True)
class Token:
    """One column. `key` says whether two tokens are the same; `word` numbers the prompt's words, None for begin, end and padding."""

    key: Hashable
    text: str
    word: int | None
    weight: float
    chunk: int


@dataclass(frozen=True)
class Word:
    """A word and its columns."""

    text: str
    columns: tuple[int, ...]
    keys: tuple[Hashable, ...]


@dataclass(frozen=True)
class Correspondence:
    """How a source prompt's columns stand for a target prompt's.

    Column j of the target's attention map is taken from the source's map as `(M_source P)[:, j]` where `follows[j]` is 1, and
    is the target's own where it is 0. `mapping` is P `[W_source, W_target]`, `follows` `[W_target]`, both float64.
    """

    mapping: Tensor
    follows: Tensor


def words_of(tokens: Sequence[Token]) -> list[Word]:
    """The words of a prompt in their order; a word cut by the end of a chunk is one word."""
    columns: dict[int, list[int]] = {}
    for column, token in enumerate(tokens):
        if token.word is not None:
            columns.setdefault(token.word, []).append(column)
    return [
        Word("".join(tokens[column].text for column in place), tuple(place), tuple(tokens[column].key for column in place))
        for place in columns.values()
    ]


def occurrences(tokens: Sequence[Token], phrase: Sequence[Token]) -> list[int]:
    """The columns of every occurrence of `phrase`, a tokenized prompt of one or more words, as whole words; empty for none."""
    words, wanted = words_of(tokens), [word.keys for word in words_of(phrase)]
    found = [
        column
        for start in range(len(words) - len(wanted) + 1)
        if wanted and [word.keys for word in words[start : start + len(wanted)]] == wanted
        for word in words[start : start + len(wanted)]
        for column in word.columns
    ]
    return sorted(set(found))


def find_columns(tokens: Sequence[Token], phrase: Sequence[Token], name: str) -> list[int]:
    """The columns of every occurrence of `phrase`. Raises ValueError that lists the prompt's words when there is none."""
    found = occurrences(tokens, phrase)
    if not found:
        there = ", ".join(dict.fromkeys(word.text for word in words_of(tokens))) or "none, it is empty"
        raise ValueError(f"{name!r} is not a word of the prompt; its words are: {there}")
    return found


def parse_words(text: str, default: float) -> list[tuple[str, float]]:
    """`tiger:1.5, stripes` as `[("tiger", 1.5), ("stripes", default)]`, separated by commas or line ends; a word said twice is
    taken once, as it was said last."""
    words: dict[str, float] = {}
    for part in text.replace("\n", ",").split(","):
        name, _, number = part.rpartition(":")
        try:
            name, value = name.strip(), float(number)
        except ValueError:  # no number behind the colon, or no colon: all of it is the word
            name, value = part.strip(), default
        if name:
            words[name] = value
        elif part.strip():
            raise ValueError(f"words must be written as word or word:number, separated by commas; got {part.strip()!r}")
    return list(words.items())


def correspond_by_swap(source: Sequence[Token], target: Sequence[Token]) -> Correspondence:
    """Word swap (Prompt-to-Prompt, arXiv 2208.01626, section 3.2): a swapped word takes the map of the word it stands in for.

    Between words of unequal token counts the source's attention is shared out evenly over the target's tokens, so that a
    row of `M_source P` still sums to 1. Raises ValueError when the prompts differ in more than swapped words.
    """
    pairs = []
    for tag, s, t in _differences(source, target):
        if tag in ("insert", "delete"):
            word = (s or t)[0].text
            raise ValueError(f"edit must be refine for these texts: only one of them has {word!r}, and swap needs words in its place")
        if len(s) == len(t):
            pairs += [(a.columns, b.columns) for a, b in zip(s, t, strict=True)]
        else:
            pairs.append((_columns(s), _columns(t)))
    mapping = _special_mapping(source, target)
    for s, t in pairs:
        if len(s) == len(t):
            mapping[s, t] = 1
        else:
            mapping[torch.tensor(s)[:, None], torch.tensor(t)] = 1 / len(t)
    return Correspondence(mapping, torch.ones(len(target), dtype=torch.float64))


def correspond_by_refinement(source: Sequence[Token], target: Sequence[Token]) -> Correspondence:
    """Prompt refinement (arXiv 2208.01626, section 3.2): shared tokens keep the source's map, new ones their own.

    Tokens are aligned globally by dynamic programming: 1 for a match, -1 for a mismatch, 0 for a gap.
    """
    s_columns, t_columns = (_columns(words_of(tokens)) for tokens in (source, target))
    mapping, follows = _special_mapping(source, target), torch.ones(len(target), dtype=torch.float64)
    follows[list(t_columns)] = 0
    for i, j in _align([source[c].key for c in s_columns], [target[c].key for c in t_columns]):
        mapping[s_columns[i], t_columns[j]] = 1
        follows[t_columns[j]] = 1
    return Correspondence(mapping, follows)


def is_swap(source: Sequence[Token], target: Sequence[Token]) -> bool:
    """Whether the texts differ in nothing but words that stand in each other's place."""
    return all(tag in ("equal", "replace") for tag, _, _ in _differences(source, target))


def _differences(source: Sequence[Token], target: Sequence[Token]) -> list[tuple[str, list[Word], list[Word]]]:
    s_words, t_words = words_of(source), words_of(target)
    matcher = SequenceMatcher(None, [word.keys for word in s_words], [word.keys for word in t_words], autojunk=False)
    return [(tag, s_words[i1:i2], t_words[j1:j2]) for tag, i1, i2, j1, j2 in matcher.get_opcodes()]


def _columns(words: Sequence[Word]) -> tuple[int, ...]:
    return tuple(column for word in words for column in word.columns)


def _special_mapping(source: Sequence[Token], target: Sequence[Token]) -> Tensor:
    """P for begin, end and padding: those of a chunk correspond in their order.

    What the source has more of goes to the target's last, so that no attention is lost.
    """
    mapping = torch.zeros(len(source), len(target), dtype=torch.float64)
    s_chunks, t_chunks = _special_columns(source), _special_columns(target)
    for number, s in enumerate(s_chunks):
        t = t_chunks[min(number, len(t_chunks) - 1)]
        for place, column in enumerate(s):
            mapping[column, t[min(place, len(t) - 1)]] = 1
    return mapping


def _special_columns(tokens: Sequence[Token]) -> list[list[int]]:
    chunks: dict[int, list[int]] = {}
    for column, token in enumerate(tokens):
        chunk = chunks.setdefault(token.chunk, [])
        if token.word is None:
            chunk.append(column)
    return list(chunks.values())


def _align(source: Sequence[Hashable], target: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Pairs of equal places of the best global alignment (Needleman and Wunsch, 1970)."""
    score = [[0] * (len(target) + 1) for _ in range(len(source) + 1)]
    for i, s in enumerate(source, 1):
        for j, t in enumerate(target, 1):
            score[i][j] = max(score[i - 1][j - 1] + (1 if s == t else -1), score[i - 1][j], score[i][j - 1])
    pairs, i, j = [], len(source), len(target)
    while i and j:
        if source[i - 1] == target[j - 1] and score[i][j] == score[i - 1][j - 1] + 1:
            pairs.append((i - 1, j - 1))
            i, j = i - 1, j - 1
        elif score[i][j] == score[i - 1][j]:
            i -= 1
        elif score[i][j] == score[i][j - 1]:
            j -= 1
        else:  # a mismatch that gaps of 0 always do as well as
            i, j = i - 1, j - 1
    return pairs[::-1]
