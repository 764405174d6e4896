"""Alignment gives what slow, plain implementations give."""

from difflib import SequenceMatcher

from hypothesis import given
from hypothesis import strategies as st

from magicmix_core.alignment import common_subsequence, differences


def plain_alignment(source, target):
    """Needleman and Wunsch, 1970, as the book has it: a match 1, a mismatch -1, a gap 0."""
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
        else:
            i, j = i - 1, j - 1
    return pairs[::-1]


SEQUENCES = st.integers(1, 8).flatmap(lambda kinds: st.tuples(*[st.lists(st.integers(0, kinds), max_size=40)] * 2))


@given(SEQUENCES)
def test_differences_are_those_of_difflib(both):
    a, b = both
    assert differences(a, b) == SequenceMatcher(None, a, b, autojunk=False).get_opcodes()


@given(SEQUENCES)
def test_the_common_subsequence_is_that_of_plain_dynamic_programming(both):
    assert common_subsequence(*both) == plain_alignment(*both)


def test_what_is_searched_in_pieces_is_found_as_well():
    """Runs of equal length, the first of them far down: the search takes ever more rows at a time."""
    a, b = [0] * 300 + [1, 2] + [0] * 100 + [1, 2, 3], [5] * 200 + [1, 2, 6, 1, 2, 3]
    assert differences(a, b) == SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
