"""What a run remembers of its attention maps."""

from dataclasses import dataclass, field

from torch import Tensor

from ...magicmix_core.maps import MapStore
from ...magicmix_core.prompts import find_columns, parse_words, words_of
from .prompts import encode, tokenize

RESOLUTIONS = ("8", "16", "32", "64")


@dataclass
class Recording:
    """The maps of some words of the prompt with this `encoding` `[1, W, C]`: `columns` for each of `words`.

    Filled by a run, emptied by the next. Layers of up to twice as many `places` as wanted are recorded.
    """

    encoding: Tensor
    words: list[str]
    columns: list[list[int]]
    places: int
    store: MapStore = field(default_factory=MapStore)
    size: tuple[int, int] = (0, 0)

    @classmethod
    def of(cls, clip, text: str, words: str, places: int) -> "Recording":
        """Raises ValueError for a word that is not in the text."""
        tokens = tokenize(clip, text)
        named = [word for word, _ in parse_words(words, 1.0)] or list(dict.fromkeys(word.text for word in words_of(tokens)))
        columns = [find_columns(tokens, tokenize(clip, word), word) for word in named]
        if not columns:
            raise ValueError("text must have a word to record, got none")
        return cls(encode(clip, text)[0][0], named, columns, places)

    def begin(self, size: tuple[int, int]) -> None:
        self.store, self.size = MapStore(), size

    def maps(self) -> Tensor:
        """`[B, words, h, w]` of the last run. Raises ValueError when there was none."""
        return self.store.mean(*self.size, self.places)
