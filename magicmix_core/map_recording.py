"""What runs remember of their attention maps: where the words of a prompt are in a picture (as in DAAM, arXiv 2210.04885).

Maps are those that a picture was drawn with, after every edit of them, averaged over the steps and over the layers of one size.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .attention import Indicators, word_maps
from .concepts import ConceptPrompt
from .encodings import occurrences
from .maps import MapStore, nearest_level
from .prompts import MOST_NAMED, Prompt, parse_words
from .steering import Attention, Drawing, PromptOfRun, SteeredPrompt, Steering
from .wording import quoted

RESOLUTIONS = ("8", "16", "32", "64")
MOST_CONCEPTS = 64
MOST_EARLIER_RUNS = 64
"""How many runs of graphs that were queued earlier are remembered; of the graph that is running, all."""


@dataclass(frozen=True)
class Origin:
    """Where a run took place: in which execution of which graph, node and element of a list; `inputs` digests all it depends on."""

    prompt_id: str
    node_id: str
    index: int
    inputs: str | None


@dataclass(frozen=True, eq=False)
class RecordedRun:
    """The maps `[B, words, h, w]` of one finished run, and the marks of the B latents that it ended in."""

    maps: Tensor
    marks: tuple[bytes, ...]
    origin: Origin | None


class Watching(Steering):
    """Reads, in a run, where words of the prompt with this `encoding` `[1, W, C]` are; `names` says what stands in each column."""

    encoding: Tensor
    names: list[str]
    carried = False
    must_be_met = True

    def starts(self, prompt: PromptOfRun) -> list[int]:
        return occurrences(self.encoding, prompt.context) if prompt.conditional else []


@dataclass(frozen=True, eq=False)
class Recording(Watching):
    """The maps of some words of the prompt with this `encoding` `[1, W, C]`: `columns` for each of `words`; one of `runs` for each run.

    Maps are those of the layers whose number of places is nearest to `places`. `names` says what stands in each column. Where there
    are `concepts` `[1, words, C]`, the words need not be the prompt's: the maps are of these.
    """

    encoding: Tensor
    words: list[str]
    columns: list[list[int]]
    places: int
    names: list[str]
    concepts: Tensor | None = None
    runs: list[RecordedRun] = field(default_factory=list)

    def begin(self, start: int, width: int, drawing: Drawing) -> SteeredPrompt:
        level = nearest_level(drawing.levels, *drawing.size, self.places)
        if self.concepts is not None:
            return ConceptPrompt(self.concepts, level, drawing.maps(self))
        return WatchedPrompt([[start + column for column in group] for group in self.columns], width, level, drawing.maps(self))

    def finish(self, drawing: Drawing, latents: Tensor, origin: Origin | None) -> None:
        maps = drawing.maps(self)
        if not maps.empty:  # as it is where the prompt's own range of steps was left out
            self.keep(maps.mean(self.places), latents, origin)

    def keep(self, maps: Tensor, latents: Tensor, origin: Origin | None) -> None:
        """Remembers a run that has ended in `latents` `[B, C, H, W]`, and forgets the oldest."""
        run = RecordedRun(maps.cpu(), marks(latents), origin)
        self.runs.append(run)
        earlier = [each for each in self.runs if each.origin is None or origin is None or each.origin.prompt_id != origin.prompt_id]
        for old in earlier[: max(0, len(earlier) - MOST_EARLIER_RUNS)]:
            self.runs.remove(old)

    def check_begun(self) -> None:
        if not self.runs:
            raise ValueError(
                "recording: no attention map was recorded, so sample the images with the model of Record Cross-Attn Maps, for a step at least"
            )

    def maps_of_latents(self, latents: Tensor) -> Tensor:
        """`[b, words, h, w]`: the maps of the runs that ended in these latents `[b, C, H, W]`. Raises ValueError for another latent."""
        self.check_begun()
        known = {mark: maps for run in self.runs for mark, maps in zip(run.marks, run.maps, strict=True)}
        found = [known.get(mark) for mark in marks(latents)]
        if any(maps is None for maps in found):
            raise ValueError("latent must be what the sampler with the watched model gave, unchanged; none of its runs gave this one")
        if len({maps.shape for maps in found}) > 1:
            raise ValueError("latent must hold pictures of one size")
        return torch.stack(found)


def record_words(prompt: Prompt, words: str, places: int) -> Recording:
    """A recording of `words` of the prompt, or of all of them. Raises ValueError for a word that is not in it."""
    named = [word for word, _ in parse_words(words, 1.0)] or list(dict.fromkeys(word.text for word in prompt.finder.words))
    if len(named) > MOST_NAMED:
        raise ValueError(f"words must name what to record of so long a text, at most {MOST_NAMED} words; it has {len(named)}")
    columns = [prompt.find(word, "words") for word in named]
    if not columns:
        raise ValueError("text must have a word to record, got none")
    return Recording(prompt.encoding, named, columns, places, prompt.names)


def record_concepts(prompt: Prompt, concepts: Sequence[Prompt], places: int) -> Recording:
    """A recording of where a picture of the prompt is most like each of `concepts`, of which there must be two at least.

    A concept is what its words' tokens mean when it is encoded alone, their mean. Raises ValueError for one without a word.
    """
    if not 2 <= len(concepts) <= MOST_CONCEPTS:
        raise ValueError(f"concepts must be 2 to {MOST_CONCEPTS}, since places are shared out among them; got {len(concepts)}")
    vectors = []
    for concept in concepts:
        columns = [column for word in concept.finder.words for column in word.columns]
        if not columns:
            raise ValueError(f"concepts must be words, got {quoted(concept.text)}")
        vectors.append(concept.encoding[:, columns].mean(1))
    return Recording(prompt.encoding, [each.text for each in concepts], [], places, prompt.names, torch.stack(vectors, 1))


class WatchedPrompt(SteeredPrompt):
    """A prompt whose words, in `columns` of `width`, are watched in the layers at `level`; their maps go to `store`."""

    kinds = frozenset({"watch"})
    draws_maps = True

    def __init__(self, columns: list[list[int]], width: int, level: int, store: MapStore):
        self.words, self.width, self.level, self.store = Indicators(columns), width, level, store

    def watch(self, there: Attention, edited: Callable[[Tensor], Tensor]) -> None:
        if there.layer.level != self.level:
            return
        q, _, _ = there.operands
        self.store.add(word_maps(edited, self.words, self.width, there.layer.heads, q).unflatten(-1, there.layer.size))


def the_one(runs: list[RecordedRun], otherwise: str) -> Tensor:
    """The maps `[B, words, h, w]` of runs with one result. Raises ValueError that ends in `otherwise` where they have several."""
    if len({run.marks for run in runs}) > 1:
        raise ValueError(f"images may be of any of {len(runs)} runs: {otherwise}")
    return runs[-1].maps


def marks(latents: Tensor) -> tuple[bytes, ...]:
    """One for each latent of `[B, ...]`, the same for the same numbers only."""
    return tuple(hashlib.sha256(row.detach().float().cpu().contiguous().numpy().tobytes()).digest() for row in latents)
