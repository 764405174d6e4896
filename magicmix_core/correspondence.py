"""How the tokens of two prompts correspond: which column of one's attention map stands for which of the other's."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .alignment import common_subsequence, differences
from .prompts import Token, Word, words_of
from .wording import quoted

MOST_ALIGNED = 4000
"""Prompts of more tokens are not aligned: their correspondence would fill memory, and take more than a second."""


@dataclass(frozen=True)
class Correspondence:
    """How a source prompt's columns stand for a target prompt's.

    Column j of the target's attention map is taken from the source's map as `(M_source P)[:, j]` where `follows[j]` is 1, and
    is the target's own where it is 0. `mapping` is P `[W_source, W_target]`, `follows` `[W_target]`, both float64.
    """

    mapping: Tensor
    follows: Tensor


def check_alignable(name: str, tokens: Sequence[Token]) -> None:
    """Raises ValueError for a prompt, the input `name`, that is too long to be aligned."""
    count = sum(token.word is not None for token in tokens)
    if count > MOST_ALIGNED:
        raise ValueError(f"{name} must have at most {MOST_ALIGNED} tokens to be compared with another prompt, got {count}")


def correspond(source: Sequence[Token], target: Sequence[Token], edit: str = "auto") -> tuple[Correspondence, str]:
    """How the prompts correspond by `edit`, swap or refine, and which it was: auto is a swap wherever that is possible.

    What a text encoder has read of one corresponds to what the same one has read of the other. Raises ValueError when it is to be a swap
    and the prompts differ in more than swapped words.
    """
    encoders = sorted({token.encoder for token in (*source, *target)})
    pairs = [tuple([token for token in tokens if token.encoder == encoder] for tokens in (source, target)) for encoder in encoders]
    if edit != "refine":
        changes = [_changes(*pair) for pair in pairs]
        unmatched = [(s or t)[0].text for of_encoder in changes for s, t in of_encoder if not (s and t)]
        if not unmatched:
            return _side_by_side([_swap(*pair, of_encoder) for pair, of_encoder in zip(pairs, changes, strict=True)]), "swap"
        if edit == "swap":
            raise ValueError(
                f"edit must be refine for these texts: only one of them has {quoted(unmatched[0])}, and swap needs words in its place"
            )
    return _side_by_side([correspond_by_refinement(*pair) for pair in pairs]), "refine"


def _changes(source: Sequence[Token], target: Sequence[Token]) -> list[tuple[list[Word], list[Word]]]:
    """Which words stand in the place of which."""
    s_words, t_words = words_of(source), words_of(target)
    opcodes = differences([word.keys for word in s_words], [word.keys for word in t_words])
    return [(s_words[first:end], t_words[t_first:t_end]) for _, first, end, t_first, t_end in opcodes]


def _side_by_side(found: Sequence[Correspondence]) -> Correspondence:
    """That of prompts whose columns are those of each encoder in turn."""
    if len(found) == 1:
        return found[0]
    return Correspondence(torch.block_diag(*(each.mapping for each in found)), torch.cat([each.follows for each in found]))


def correspond_by_refinement(source: Sequence[Token], target: Sequence[Token]) -> Correspondence:
    """Prompt refinement (arXiv 2208.01626, section 3.2): shared tokens keep the source's map, new ones their own.

    Tokens are aligned globally by dynamic programming: 1 for a match, -1 for a mismatch, 0 for a gap.
    """
    s_columns, t_columns = (torch.tensor(_columns(words_of(tokens)), dtype=torch.long) for tokens in (source, target))
    mapping, follows = _special_mapping(source, target), torch.ones(len(target), dtype=torch.float64)
    follows[t_columns] = 0
    pairs = common_subsequence([source[c].key for c in s_columns.tolist()], [target[c].key for c in t_columns.tolist()])
    places = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2)
    mapping[s_columns[places[:, 0]], t_columns[places[:, 1]]] = 1
    follows[t_columns[places[:, 1]]] = 1
    return Correspondence(mapping, follows)


def _swap(source: Sequence[Token], target: Sequence[Token], changes: Sequence[tuple[list[Word], list[Word]]]) -> Correspondence:
    """Word swap (Prompt-to-Prompt, arXiv 2208.01626, section 3.2): a swapped word takes the map of the word it stands in for.

    Between words of unequal token counts the source's attention is shared out evenly over the target's tokens, so that a
    row of `M_source P` still sums to 1.
    """
    pairs = []
    for s, t in changes:
        if len(s) == len(t):
            pairs += [(a.columns, b.columns) for a, b in zip(s, t, strict=True)]
        else:
            pairs.append((_columns(s), _columns(t)))
    mapping = _special_mapping(source, target)
    alike = [pair for pair in pairs if len(pair[0]) == len(pair[1])]
    mapping[[column for s, _ in alike for column in s], [column for _, t in alike for column in t]] = 1
    for s, t in pairs:
        if len(s) != len(t):
            mapping[torch.tensor(s)[:, None], torch.tensor(t)] = 1 / len(t)
    return Correspondence(mapping, torch.ones(len(target), dtype=torch.float64))


def _columns(words: Sequence[Word]) -> tuple[int, ...]:
    return tuple(column for word in words for column in word.columns)


def _special_mapping(source: Sequence[Token], target: Sequence[Token]) -> Tensor:
    """P for begin, end and padding, chunk by chunk.

    Begin, end and what a template adds correspond in their order; padding corresponds at its own place, as the authors' code has
    it: an encoder knows places, and a network reads of the padding at some of them what no word says. What finds no padding there
    goes to the target's end, so that no attention is lost.
    """
    mapping = torch.from_numpy(np.zeros((len(source), len(target))))  # numpy's zeros take no memory until they are written to
    s_chunks, t_chunks = _special_columns(source), _special_columns(target)
    for number, s in enumerate(s_chunks):
        t = t_chunks[min(number, len(t_chunks) - 1)]
        if not t.ordered:  # a long text may be without padding
            continue
        end = t.ordered[-1]
        for place, column in enumerate(s.ordered):
            mapping[column, t.ordered[min(place, len(t.ordered) - 1)]] = 1
        for column in s.padding:
            there = t.start + column - s.start
            mapping[column, there if there in t.padding else end] = 1
    return mapping


@dataclass(frozen=True)
class SpecialColumns:
    """Those of a chunk that begins at the column `start`: begin, end and what a template adds, and the padding behind the end."""

    start: int
    ordered: Sequence[int]
    padding: range


def _special_columns(tokens: Sequence[Token]) -> list[SpecialColumns]:
    chunks: dict[int, list[int]] = {}
    for column, token in enumerate(tokens):
        chunks.setdefault(token.chunk, []).append(column)
    return [_special_columns_of(tokens, columns) for columns in chunks.values()]


def _special_columns_of(tokens: Sequence[Token], chunk: Sequence[int]) -> SpecialColumns:
    special = [column for column in chunk if tokens[column].word is None]
    padding = chunk[-1] + 1  # behind the first of the equal tokens at the end
    while padding - 2 in special and tokens[padding - 2].key == tokens[chunk[-1]].key:
        padding -= 1
    return SpecialColumns(chunk[0], [column for column in special if column < padding], range(padding, chunk[-1] + 1))
