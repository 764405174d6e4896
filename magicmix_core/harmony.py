"""Which nu makes a mix as much like the layout's picture as like the prompt, where a network embeds pictures and texts in one space.

ATIH (arXiv 2410.20823) asks for the same: both similarities high and none above the other, by golden section. There a constant weighs
the two; here each is measured between what a pair can reach, which differs from pair to pair (`likenesses`).
"""

from dataclasses import dataclass, field

from torch import Tensor
from torch.nn.functional import cosine_similarity

from .balance import DIGITS, check_tries

GOLDEN = (5**0.5 - 1) / 2
FIRST = (1.0, GOLDEN, 1 - GOLDEN)
"""The content itself, which every other try is measured by, and the first two of golden section."""
NEAREST = 1e-3
"""Closer nus than this say nothing new."""


def likenesses(mixes: Tensor, layout: Tensor, content: Tensor, text: Tensor) -> list[tuple[float, float]]:
    """How much like the layout and how much like the text each of `mixes` is: embeddings `[n, C]`, the others `[1, C]`.

    Both are shares of what lies between the layout's picture and the `content`, which the prompt draws alone: the layout is (1, 0) and the
    content (0, 1). Raises ValueError where the content is no more like the text than the layout is.
    """
    reached, missed = (float(cosine_similarity(picture, text)) for picture in (content, layout))
    if reached <= missed:
        raise ValueError(
            "content_text must say what the prompt draws: the picture of the prompt alone is no more like it than the layout's is,"
            f" {reached:.3f} and {missed:.3f}"
        )
    apart = float(cosine_similarity(content, layout))
    to_layout = (cosine_similarity(mixes, layout) - apart) / max(1 - apart, 1e-6)
    to_text = (cosine_similarity(mixes, text) - missed) / (reached - missed)
    return list(zip(to_layout.tolist(), to_text.tolist(), strict=True))


def smaller(to_layout: float, to_text: float, target: float) -> float:
    """The smaller of the two likenesses, each weighed by its part of the `target`: at 0.5 both count alike, at 1 the layout alone."""
    weighed = [(to_layout, target), (to_text, 1 - target)]
    return min(likeness / weight for likeness, weight in weighed if weight) / 2


@dataclass
class GoldenSearch:
    """A search for the nu of the largest measure, in so many `tries`: golden section, after a first batch. `found` has what was measured,
    by nu; at nu 0 it is the layout's, `at_layout`.

    Raises ValueError for fewer tries than the first ones.
    """

    tries: int
    at_layout: float = 0.0
    found: dict[float, float] = field(default_factory=dict)

    def __post_init__(self):
        check_tries(self.tries)

    def next(self) -> list[float]:
        """The nus to try next, which go into one batch; none when the search is over."""
        if not self.found:
            return list(FIRST)
        known = sorted({0.0, *self.found})
        here = max(known, key=lambda nu: (self.found.get(nu, self.at_layout), nu))
        place = known.index(here)
        sides = [known[each] - here for each in (place - 1, place + 1) if 0 <= each < len(known)]
        widest = max(sides, key=abs)
        return [here + (1 - GOLDEN) * widest] if len(self.found) < self.tries and abs(widest) > NEAREST else []

    @property
    def best(self) -> float:
        """The nu that was measured highest; the higher of two alike but for rounding."""
        return max(self.found, key=lambda nu: (round(self.found[nu], DIGITS), nu))
