"""All pictures of a study, never listed: from a number to values, and in which order and portions they are drawn."""

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from .axes import Axis, Column, Value
from .graphs import Graph, reach

PORTIONS_PER_WORKER = 8
MOST_IN_PORTION = 500


@dataclass(frozen=True)
class Sample:
    """`count` pictures of all that there are, drawn by a seed."""

    count: int
    seed: int


@dataclass(frozen=True)
class Space:
    """The product of the axes, or a sample of it.

    A picture has a *number*, its place in the product with the last axis fastest, as people list it; and a *position*, its place in
    the order of drawing, where axes that cost most to change are slowest. `slowest_first` are places in `axes`.
    """

    axes: tuple[Axis, ...]
    slowest_first: tuple[int, ...]
    sample: Sample | None = None
    lengths: tuple[int, ...] = field(init=False)

    def __post_init__(self):
        object.__setattr__(self, "lengths", tuple(len(axis) for axis in self.axes))

    @property
    def product(self) -> int:
        return math.prod(self.lengths)

    def __len__(self) -> int:
        return self.sample.count if self.sample else self.product

    @property
    def columns(self) -> tuple[Column, ...]:
        return tuple(column for axis in self.axes for column in axis.columns)

    @cached_property
    def _chosen(self) -> np.ndarray | None:
        """Of a sample: places in the full order of drawing, ascending."""
        if self.sample is None:
            return None
        numbers = random.Random(self.sample.seed).sample(range(self.product), self.sample.count)  # noqa: S311 (nothing is kept secret by it)
        return np.sort(np.array([self._place(self._digits(number)) for number in numbers], dtype=np.int64))

    def _digits(self, number: int) -> list[int]:
        digits = []
        for length in reversed(self.lengths):
            number, digit = divmod(number, length)
            digits.append(digit)
        return digits[::-1]

    def _place(self, digits: Sequence[int]) -> int:
        place = 0
        for axis in self.slowest_first:
            place = place * self.lengths[axis] + digits[axis]
        return place

    def _digits_at(self, position: int) -> list[int]:
        place = position if self._chosen is None else int(self._chosen[position])
        digits = [0] * len(self.axes)
        for axis in reversed(self.slowest_first):
            place, digits[axis] = divmod(place, self.lengths[axis])
        return digits

    def number(self, position: int) -> int:
        number = 0
        for digit, length in zip(self._digits_at(position), self.lengths, strict=True):
            number = number * length + digit
        return number

    def values(self, position: int) -> dict[str, Value]:
        """The varied values of a picture, by column."""
        found = {}
        for axis, digit in zip(self.axes, self._digits_at(position), strict=True):
            found.update(zip((column.name for column in axis.columns), axis.rows[digit], strict=True))
        return found

    def portions(self, most: int) -> list[tuple[int, int]]:
        """The positions in portions (first, last + 1) of about `most` pictures or fewer, cut where slow axes change.

        A portion never spans two values of an axis without holding all that is faster, so that what a portion shares is
        computed once in it.
        """
        lengths = [self.lengths[axis] for axis in self.slowest_first]
        most = max(1, most * self.product // len(self))  # of a sample, as it were of the product
        level, unit = len(lengths), 1
        while level and unit * lengths[level - 1] <= most:
            level -= 1
            unit *= lengths[level]
        if not level:
            return [(0, len(self))]
        cuts = math.ceil(lengths[level - 1] / max(1, most // unit))
        parent = unit * lengths[level - 1]
        inner = [lengths[level - 1] * cut // cuts * unit for cut in range(cuts)]
        if self._chosen is None:
            starts = [first + offset for first in range(0, self.product, parent) for offset in inner]
        else:
            portion = self._chosen // parent * cuts + np.searchsorted(inner, self._chosen % parent, side="right") - 1
            starts = [0, *(np.flatnonzero(np.diff(portion)) + 1).tolist()]
        return list(zip(starts, [*starts[1:], len(self)], strict=True))

    def changes(self, axes: frozenset[int]) -> int:
        """How often, in the order of drawing, any of these axes takes another value: the runs of what depends on them."""
        if not axes:
            return 1
        fastest = max(self.slowest_first.index(axis) for axis in axes)
        faster = math.prod(self.lengths[axis] for axis in self.slowest_first[fastest + 1 :])
        if self._chosen is None:
            return self.product // faster
        return int(np.count_nonzero(np.diff(self._chosen // faster))) + 1


def drawing_order(graph: Graph, axes: Sequence[Axis]) -> tuple[int, ...]:
    """Places of the axes, those first whose change makes most nodes run again; where two are alike, as the study lists them."""
    costs = [len(reach(graph, [node for column in axis.columns for node, _ in column.targets])) for axis in axes]
    return tuple(sorted(range(len(axes)), key=lambda place: (-costs[place], place)))


def stretches(portions: Sequence, workers: int) -> list[Sequence]:
    """Cut into as many parts as there are workers, as even as can be."""
    bounds = [len(portions) * worker // workers for worker in range(workers + 1)]
    return [portions[first:last] for first, last in itertools.pairwise(bounds)]


def striped(portions: Sequence[tuple[int, int]], workers: int) -> list[tuple[int, int]]:
    """The portions so that workers who take one in turn each walk through a stretch of their own, its caches warm all along."""
    own = stretches(portions, workers)
    longest = max(map(len, own), default=0)
    return [stretch[step] for step in range(longest) for stretch in own if step < len(stretch)]


def portions_of(space: Space, workers: int) -> list[tuple[int, int]]:
    """All positions, in the order in which portions are handed out: few enough that each is worth its overhead, small enough that
    all workers end together."""
    most = -(-len(space) // (PORTIONS_PER_WORKER * workers))
    return striped(space.portions(min(most, MOST_IN_PORTION)), workers)
