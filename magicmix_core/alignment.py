"""Which places of two sequences, of up to 32766 values each, belong together.

Tables of n x m numbers, filled row by row: fast for thousands of words.
"""

from collections.abc import Hashable, Sequence

import numpy as np

MOST_CELLS = 1 << 20
"""Rows of a table are searched in pieces of about this many numbers."""

Block = tuple[int, int, int]
Opcode = tuple[str, int, int, int, int]


def differences(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[Opcode]:
    """How `a` becomes `b`, as difflib's opcodes: (tag, first_a, end_a, first_b, end_b), tag being equal, replace, insert or delete.

    Between the longest common runs, found one after another, lies what differs (Ratcliff and Obershelp, 1988); the same as
    `difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes()`, whose time is cubic where words repeat.
    """
    opcodes: list[Opcode] = []
    i = j = 0
    for start_a, start_b, length in [*_joined(_common_runs(*_numbered(a, b))), (len(a), len(b), 0)]:
        if i < start_a or j < start_b:
            tag = "insert" if i == start_a else "delete" if j == start_b else "replace"
            opcodes.append((tag, i, start_a, j, start_b))
        i, j = start_a + length, start_b + length
        if length:
            opcodes.append(("equal", start_a, i, start_b, j))
    return opcodes


def common_subsequence(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Pairs (i, j) of equal places of the best global alignment (Needleman and Wunsch, 1970).

    A match counts 1, a mismatch -1 and a gap 0: so no mismatch is ever better than two gaps, and the longest common
    subsequence wins. Of equally good ones that which matches latest.
    """
    a, b = _numbered(a, b)
    ends = np.flatnonzero(a[::-1][: len(b)] != b[::-1][: len(a)])
    tail = int(ends[0]) if len(ends) else min(len(a), len(b))  # a common end is matched in any case
    i, j = len(a) - tail, len(b) - tail
    score = np.zeros((i + 1, j + 1), np.int16)
    for row in range(i):
        longer = np.where(b[:j] == a[row], score[row, :-1] + 1, score[row, 1:])
        np.maximum.accumulate(longer, out=score[row + 1, 1:])
    pairs = [(i + n, j + n) for n in reversed(range(tail))]
    while i and j:
        if a[i - 1] == b[j - 1]:
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif score[i, j] == score[i - 1, j]:
            i -= 1
        else:
            j -= 1
    return pairs[::-1]


def _numbered(*sequences: Sequence[Hashable]) -> list[np.ndarray]:
    """The sequences with a number in place of each value, so that they compare fast."""
    numbers: dict[Hashable, int] = {}
    return [np.array([numbers.setdefault(value, len(numbers)) for value in sequence], np.int32) for sequence in sequences]


def _common_runs(a: np.ndarray, b: np.ndarray) -> list[Block]:
    """(i, j, length) of the longest common run, and in turn of those on either side of it; in order of places."""
    runs = np.zeros((len(a) + 1, len(b) + 1), np.int16)  # the length of the common run that begins at each pair of places
    for i in reversed(range(len(a))):
        np.multiply(runs[i + 1, 1:] + 1, b == a[i], out=runs[i, :-1])
    found, left = [], [(0, len(a), 0, len(b), len(a))]
    while left:
        first_a, end_a, first_b, end_b, bound = left.pop()
        bound = min(bound, end_a - first_a, end_b - first_b)
        i, j, length = _longest(runs, first_a, end_a, first_b, end_b, bound) if bound > 0 else (0, 0, 0)
        if length:
            found.append((i, j, length))
            left += [(first_a, i, first_b, j, length - 1), (i + length, end_a, j + length, end_b, length)]
    return sorted(found)


def _longest(runs: np.ndarray, first_a: int, end_a: int, first_b: int, end_b: int, bound: int) -> Block:
    """The first of the longest runs inside the rectangle, of which none is longer than `bound`: the search ends at one that long."""
    best = (first_a, first_b, 0)
    room = np.minimum(np.arange(end_b - first_b, 0, -1), bound).astype(np.int16)
    row, rows = first_a, 4
    while row < end_a:
        part = np.minimum(runs[row : min(row + rows, end_a), first_b:end_b], room)
        below = np.arange(end_a - row, end_a - row - len(part), -1)
        if below[-1] < bound:
            part = np.minimum(part, below[:, None].astype(np.int16))
        place = int(part.argmax())
        i, j = divmod(place, end_b - first_b)
        if part[i, j] > best[2]:
            best = (row + i, first_b + j, int(part[i, j]))
            if best[2] == bound:
                break
        row += len(part)
        rows = max(4, min(2 * rows, MOST_CELLS // (end_b - first_b)))
    return best


def _joined(blocks: list[Block]) -> list[Block]:
    """The blocks with those that touch made one."""
    joined: list[Block] = []
    for i, j, length in blocks:
        if joined and (joined[-1][0] + joined[-1][2], joined[-1][1] + joined[-1][2]) == (i, j):
            joined[-1] = (*joined[-1][:2], joined[-1][2] + length)
        else:
            joined.append((i, j, length))
    return joined
