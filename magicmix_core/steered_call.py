"""One call of a network whose prompts are steered: its rows, what acts on them, and what sources give in it.

Rows, the first axis of every tensor, are those of the sources in front, then, prompt by prompt, as many as the batch has. How a network
comes by them is the host's matter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

from torch import Tensor

from .steering import Before, Block, Layer, Source, SteeredPrompt


class Taken(Protocol):
    """What a source gives in one call."""

    def operands(self, kind: str, layer: Layer, q: Tensor, k: Tensor, queries: slice, columns: slice) -> tuple[Tensor, Tensor]:
        """The source's q and k `[1 or B, ..]` in a layer of the `kind` cross or itself; `q` and `k` are those of all rows and tokens."""
        ...

    def features(self, block: Block, out: Tensor) -> Tensor:
        """The source's residual features `[1 or B, C, h, w]` of a block whose `out` are those of all rows."""
        ...


@dataclass(frozen=True)
class Rows:
    """A source whose own rows are part of the call."""

    rows: slice

    def operands(self, kind: str, layer: Layer, q: Tensor, k: Tensor, queries: slice, columns: slice) -> tuple[Tensor, Tensor]:
        return q[self.rows, ..., queries, :], k[self.rows, ..., columns, :]

    def features(self, block: Block, out: Tensor) -> Tensor:
        return out[self.rows]


@dataclass(frozen=True)
class Call:
    """One call of a network at noise level `sigma`: `front` rows of sources, then chunks of `batch` rows each, one chunk for a prompt.

    `prompts` holds, by chunk, what acts in this call; `sources` what each source gives. The host may have repeated contexts to one
    width, which changes no attention.
    """

    sigma: float
    front: int
    batch: int
    before: Before
    prompts: Mapping[int, Sequence[SteeredPrompt]]
    sources: Mapping[Source, Taken]
    concepts: int = 0
    """So many of the last tokens are no part of the prompt: they look at the picture, and are not looked at."""

    @cached_property
    def acting(self) -> dict[str, dict[int, list[SteeredPrompt]]]:
        """By kind and by chunk, what has anything to do there."""
        by_kind = {}
        for kind in ("watch", "cross", "itself", "features", "concepts"):
            acting = {chunk: [each for each in prompts if kind in each.kinds] for chunk, prompts in self.prompts.items()}
            by_kind[kind] = {chunk: prompts for chunk, prompts in acting.items() if prompts}
        return by_kind

    def rows(self, chunk: int) -> slice:
        return slice(self.front + chunk * self.batch, self.front + (chunk + 1) * self.batch)

    def tiled(self, tiles: int) -> "Call":
        """The same call where every row has been cut into as many tiles, each a row of its own."""
        sources = {
            source: Rows(slice(taken.rows.start * tiles, taken.rows.stop * tiles)) if isinstance(taken, Rows) else taken
            for source, taken in self.sources.items()
        }
        return replace(self, front=self.front * tiles, batch=self.batch * tiles, sources=sources)

    def features(self, block: Block) -> dict[int, Source]:
        """By chunk, the source whose residual features it takes in this block."""
        found = {}
        for chunk, prompts in self.prompts.items():
            sources = [source for each in prompts if (source := each.features(block, self.before)) is not None]
            if sources:
                found[chunk] = sources[-1]
        return found
