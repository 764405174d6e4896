"""What runs remember of their attention maps, and which run a picture comes from."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from comfy_execution.utils import get_executing_context
from torch import Tensor

from ...magicmix_core.prompts import MOST_NAMED, WordFinder, parse_words
from .graph import Link, digest, links_of, output_type, running_graph, works_on_lists
from .prompts import encode, tokenize

RESOLUTIONS = ("8", "16", "32", "64")
MOST_EARLIER_RUNS = 64
"""How many runs of graphs that were queued earlier are remembered; of the graph that is running, all."""
PICTURES = ("IMAGE", "LATENT", "*")
"""The socket types on which a picture travels from the sampler to the node that shows it."""
SAY_WHICH = "connect the sampler's latent to `latent`, which says which run they are of"


@dataclass(frozen=True)
class Origin:
    """Where a run took place: in which execution of which graph, node and element of a list; `inputs` digests all it depends on."""

    prompt_id: str
    node_id: str
    index: int
    inputs: str | None

    @classmethod
    def here(cls) -> "Origin | None":
        """The node that is executing now; None outside the host's execution of a graph."""
        context = get_executing_context()
        if context is None:
            return None
        inputs = digest(running_graph(context.prompt_id), context.node_id)
        return cls(context.prompt_id, context.node_id, context.list_index or 0, inputs)


@dataclass(frozen=True, eq=False)
class RecordedRun:
    """The maps `[B, words, h, w]` of one finished run, and the marks of the B latents that it ended in."""

    maps: Tensor
    marks: tuple[bytes, ...]
    origin: Origin | None


@dataclass(frozen=True, eq=False)
class Recording:
    """The maps of some words of the prompt with this `encoding` `[1, W, C]`: `columns` for each of `words`; one of `runs` for each run.

    Maps are those of the layers whose number of places is nearest to `places`.
    """

    encoding: Tensor
    words: list[str]
    columns: list[list[int]]
    places: int
    names: list[str]
    """What stands in each column, to tell where a prompt begins to differ."""
    runs: list[RecordedRun] = field(default_factory=list)

    @classmethod
    def of(cls, clip, text: str, words: str, places: int) -> "Recording":
        """Raises ValueError for a word that is not in the text."""
        tokens = tokenize(clip, text)
        finder = WordFinder(tokens)
        named = [word for word, _ in parse_words(words, 1.0)] or list(dict.fromkeys(word.text for word in finder.words))
        if len(named) > MOST_NAMED:
            raise ValueError(f"words must name what to record of so long a text, at most {MOST_NAMED} words; it has {len(named)}")
        columns = [finder.find(tokenize(clip, word, "words"), word) for word in named]
        if not columns:
            raise ValueError("text must have a word to record, got none")
        texts = {column: word.text for word in finder.words for column in word.columns}
        names = [texts.get(column, "") for column in range(len(tokens))]
        return cls(encode(clip, text)[0][0], named, columns, places, names)

    def keep(self, maps: Tensor, latents: Tensor) -> None:
        """Remembers a run that has ended in `latents` `[B, C, H, W]`, and forgets the oldest."""
        run = RecordedRun(maps.cpu(), marks(latents), Origin.here())
        self.runs.append(run)
        earlier = [each for each in self.runs if each.origin is None or run.origin is None or each.origin.prompt_id != run.origin.prompt_id]
        for old in earlier[: max(0, len(earlier) - MOST_EARLIER_RUNS)]:
            self.runs.remove(old)

    def maps_of_latents(self, latents: Tensor) -> Tensor:
        """`[b, words, h, w]`: the maps of the runs that ended in these latents `[b, C, H, W]`. Raises ValueError for another latent."""
        self._check_begun()
        known = {mark: maps for run in self.runs for mark, maps in zip(run.marks, run.maps, strict=True)}
        found = [known.get(mark) for mark in marks(latents)]
        if any(maps is None for maps in found):
            raise ValueError("latent must be what the sampler with the watched model gave, unchanged; this one is of none of its runs")
        if len({maps.shape for maps in found}) > 1:
            raise ValueError("latent must hold pictures of one size")
        return torch.stack(found)

    def maps_of_pictures(self, graph: Mapping[str, dict], node_id: str | None) -> Tensor:
        """`[B, words, h, w]`: the maps of the run that drew the `images` which the node `node_id` of `graph` has been given.

        Raises ValueError where that is not certain, saying how to make it so.
        """
        self._check_begun()
        here = get_executing_context()
        if here is None or node_id not in graph:
            return _the_one(self.runs)
        link = links_of(graph, node_id).get("images")
        samplers = {run.origin.node_id for run in self.runs if run.origin is not None}
        found, passed = _drawn_by(graph, link, samplers) if link else ([], [])
        if not found:
            raise ValueError(
                f"images must be drawn by a sampler with the model of Record Cross-Attn Maps, and by none after it; or {SAY_WHICH}"
            )
        if len(found) > 1:
            raise ValueError(f"images are made of pictures of {len(found)} samplers: {SAY_WHICH}")
        runs = self._runs_of(found[0], here.prompt_id, digest(graph, found[0]))
        places = sorted({run.origin.index for run in runs})
        if len(places) > 1 and any(works_on_lists(graph, each) for each in passed):
            raise ValueError(f"images went through a node that rearranges lists, so their order is not known: {SAY_WHICH}")
        place = places[min(here.list_index or 0, len(places) - 1)]  # the host repeats the last of a shorter list
        return _the_one([run for run in runs if run.origin.index == place])

    def _check_begun(self) -> None:
        if not self.runs:
            raise ValueError(
                "recording: no attention map was recorded, so sample the images with the model of Record Cross-Attn Maps, for a step at least"
            )

    def _runs_of(self, sampler: str, prompt_id: str, inputs: str | None) -> list[RecordedRun]:
        """The runs of a node in this execution, or in the last one with the same inputs, whose result the host has cached."""
        its = [run for run in self.runs if run.origin is not None and run.origin.node_id == sampler]
        now = [run for run in its if run.origin.prompt_id == prompt_id]
        if now:
            return now
        alike = [run for run in its if inputs is not None and run.origin.inputs == inputs]
        executions: dict[str, list[RecordedRun]] = {}
        for run in alike:
            executions.setdefault(run.origin.prompt_id, []).append(run)
        if not executions:
            raise ValueError(
                f"images are of a run whose maps are no longer kept: change the sampler's seed and run it again, or {SAY_WHICH}"
            )
        if len({tuple(run.marks for run in runs) for runs in executions.values()}) > 1:
            raise ValueError(f"images may be of several runs with the same settings and other results: {SAY_WHICH}")
        return list(executions.values())[-1]


def _the_one(runs: list[RecordedRun]) -> Tensor:
    if len({run.marks for run in runs}) > 1:
        raise ValueError(f"images may be of any of {len(runs)} runs: {SAY_WHICH}")
    return runs[-1].maps


def marks(latents: Tensor) -> tuple[bytes, ...]:
    """One for each latent of `[B, ...]`, the same for the same numbers only."""
    return tuple(hashlib.sha256(row.detach().float().cpu().contiguous().numpy().tobytes()).digest() for row in latents)


def _drawn_by(graph: Mapping[str, dict], picture: Link, samplers: set[str]) -> tuple[list[str], list[str]]:
    """Which of `samplers` drew the `picture` that this link carries, and the nodes that it passed since; none that drew it anew."""
    found, passed, waiting, seen = [], [], [picture], set()
    while waiting:
        node_id, _ = link = waiting.pop(0)
        if node_id in seen or output_type(graph, link) not in PICTURES:
            continue
        seen.add(node_id)
        sources = links_of(graph, node_id).values()
        if node_id in samplers:
            found.append(node_id)
        elif not any(output_type(graph, source) in ("MODEL", "GUIDER") for source in sources):
            passed.append(node_id)
            waiting += sources
    return found, passed
