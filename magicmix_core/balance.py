"""Which nu gives a wanted balance of layout and content: the best one depends on how alike the two things are.

ATIH (arXiv 2410.20823) searches its weights for each pair by the similarity to both. Here, without another network:

    remains(nu) = d(mix, content) / (d(mix, content) + d(mix, layout))

`content` is the same run with nu = 1, d the structure distance, which is 0.5 for unrelated pictures, and half the colour distance: 1 is the layout's picture, 0 the prompt's, 0.5 as
far from one as from the other. It falls while nu rises, but for what a picture does of itself.
"""

from dataclasses import dataclass, field
from itertools import pairwise

from torch import Tensor

from .similarity import colour_distance, structure_distance

FIRST = (1.0, 0.5, 0.8)
"""The content itself, which every other try is measured by, and where most pairs have their balance."""
DIGITS = 6
"""Decimals of a measure that count: what differs beyond them is rounding."""
CENTRAL = 0.2, 0.8
"""A try lies within this part of what is still in question, so that it always grows smaller."""


def remains(mixes: Tensor, layout: Tensor, content: Tensor) -> list[float]:
    """How much of the layout's picture `[1, 3, H, W]` there is in each of `mixes` `[n, 3, H, W]`, beside the content's own `[1, 3, H, W]`."""
    to_layout, to_content = (_distance(mixes, picture.expand_as(mixes)) for picture in (layout, content))
    return (to_content / (to_content + to_layout).clamp_min(1e-12)).tolist()


def _distance(pictures: Tensor, others: Tensor) -> Tensor:
    return structure_distance(pictures, others) + colour_distance(pictures, others).to(pictures) / 2


def check_tries(tries: int) -> None:
    """Raises ValueError for fewer than a search begins with."""
    if tries < len(FIRST):
        raise ValueError(f"tries must be {len(FIRST)} or more, got {tries}")


@dataclass
class NuSearch:
    """A search for the nu at which `target` of the layout remains, in so many `tries`; `found` has what was measured, by nu.

    Raises ValueError for fewer tries than the first ones.
    """

    target: float
    tries: int
    found: dict[float, float] = field(default_factory=dict)

    def __post_init__(self):
        check_tries(self.tries)

    def next(self) -> list[float]:
        """The nus to try next, which go into one batch; none when the search is over."""
        if not self.found:
            return list(FIRST)
        left = min(len(FIRST), self.tries - len(self.found))
        if left <= 0 or self.target in self.found.values():
            return []
        low, high = self._bracket()
        middle = low + (high - low) * self._crossing(low, high)
        among = {1: [middle], 2: [middle, (middle + (high if high - middle > middle - low else low)) / 2]}
        return sorted(among.get(left, [(low + middle) / 2, middle, (middle + high) / 2]))

    @property
    def best(self) -> float:
        """The nu that came nearest; the higher of two alike but for rounding."""
        return min(self.found, key=lambda nu: (round(abs(self.found[nu] - self.target), DIGITS), -nu))

    def _bracket(self) -> tuple[float, float]:
        """The two neighbours between which the target is passed, nearest to the best try; with nu = 0 taken for the layout."""
        known = self._known()
        passed = [pair for pair in pairwise(sorted(known)) if (known[pair[0]] - self.target) * (known[pair[1]] - self.target) <= 0]
        return min(passed, key=lambda pair: min(abs(nu - self.best) for nu in pair))

    def _crossing(self, low: float, high: float) -> float:
        """Where between the two a straight line passes the target, as a share of the way."""
        known = self._known()
        drop = known[low] - known[high]
        return min(max((known[low] - self.target) / drop if drop else 0.5, CENTRAL[0]), CENTRAL[1])

    def _known(self) -> dict[float, float]:
        """What was found, with the ends as they are but for rounding."""
        return {0.0: 1.0} | self.found | {1.0: 0.0}
