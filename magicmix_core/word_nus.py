"""nu by words: where a word of the content stands so far, a nu of its own; the sampler's elsewhere.

The maps are gathered as local blend of Prompt-to-Prompt gathers them (arXiv 2208.01626, section 4): over the steps so far, so that the
places follow the picture as it forms.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d

from .checks import check_range
from .map_recording import WatchedPrompt, Watching
from .maps import MapStore, nearest_level
from .places import spread
from .prompts import Prompt, parse_words
from .steering import Drawing
from .wording import quoted

THRESHOLD = 0.3
"""A word is where its map reaches this share of its strongest place, as in local blend."""


@dataclass(frozen=True, eq=False)
class WordNus(Watching):
    """`nus` of words of the prompt with this `encoding` `[1, W, C]`, which stand in `columns`; `names` says what stands in each column."""

    encoding: Tensor
    columns: list[list[int]]
    nus: tuple[float, ...]
    names: list[str]

    def begin(self, start: int, width: int, drawing: Drawing) -> "PromptWithNus":
        return PromptWithNus(self, start, width, drawing)


def nus_of_words(prompt: Prompt, words: str) -> WordNus:
    """What `words`, as in `cat:0.9, grass:0.2`, say of the prompt; a word alone has 1. Raises ValueError naming `nu_words`."""
    pairs = parse_words(words, 1.0, "nu_words")
    if not pairs:
        raise ValueError(f"nu_words must be words of the prompt, each with its nu, as in cat:0.9, grass:0.2; got {quoted(words)}")
    for word, nu in pairs:
        check_range(f"nu_words: nu of {quoted(word)}", nu, 0, 1)
    columns = [prompt.find(word, "nu_words") for word, _ in pairs]
    return WordNus(prompt.encoding, columns, tuple(nu for _, nu in pairs), prompt.names)


class PromptWithNus(WatchedPrompt):
    """A prompt of a run whose words, in `width` columns from `start` on, say nu where they are."""

    mixes = "nu_words"

    def __init__(self, way: WordNus, start: int, width: int, drawing: Drawing):
        level = nearest_level(drawing.levels, *drawing.size, drawing.few_places)
        super().__init__([[start + column for column in group] for group in way.columns], width, level, MapStore())
        self.nus, self.few_places = way.nus, drawing.few_places

    def nu(self, nu: Tensor, like: Tensor) -> Tensor:
        if self.store.empty:
            return nu
        there, said = strongest(self.store.mean(self.few_places), self.nus, *like.shape[-2:])
        return torch.where(spread(there, like), spread(said.to(nu), like), nu)


def strongest(maps: Tensor, nus: tuple[float, ...], height: int, width: int) -> tuple[Tensor, Tensor]:
    """Whether a word is there, and the nu of the one that is most: both `[B, height, width]` for maps `[B, n, h, w]`.

    Maps are widened by one place and measured by their own strongest, as words differ in how much attention they get.
    """
    wide = interpolate(max_pool2d(maps, 3, 1, 1), (height, width), mode="bilinear")
    highest = wide.amax((2, 3), keepdim=True)
    share, word = (wide / highest.where(highest > 0, 1)).max(1)
    return share > THRESHOLD, torch.tensor(nus, device=maps.device)[word]
