"""What a run asks of each way of steering it.

A way of steering (re-weighting, Prompt-to-Prompt, Plug-and-Play, recording) is a `Steering` from the node on, and in a run a
`SteeredPrompt` for each prompt that it acts on. It sees the rows of that one prompt, and takes what it needs from its source's.

Shapes: q `[B, N, C]` are the queries of N places of the picture, k and v `[B, W, C]` the keys and values of W columns (the prompt's
tokens, or the picture's places again), heads side by side in C; or, with heads apart, `[B, heads, N, d]` and `[B, heads, W, d]`.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from .layout import Layout
from .maps import MapStore

Before = Callable[[float], bool]
"""Whether a run has not yet come to this share of the model's timesteps, in [0, 1]: at 0 never, at 1 always."""
Operands = tuple[Tensor, Tensor, Tensor]
"""(q, k, v) of one attention."""
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""`(q, k, v) -> [B, N, C]`: any attention kernel."""
Block = tuple[str, int]
"""A part of a network and the number of a block in it, as in ("output", 4)."""
Place = tuple[str, int, int]
"""A block and the number of an attention layer of one kind in it."""


@dataclass(frozen=True, eq=False)
class Source:
    """A layout's path, seen with a prompt: where queries, keys and features are taken from.

    `conditioning` is the prompt's entry `[encoding, dict]` of a CONDITIONING; None where any will do that others see this layout with.
    """

    layout: Layout
    conditioning: list | None = None


class Drawing:
    """What one run draws, as its network sees it: latents of `size` h x w, halved as often as one of `levels` says in each layer."""

    def __init__(
        self, size: tuple[int, int], levels: Iterable[int], few_places: int | None = None, columns: Callable[[int], range] = range
    ):
        """`few_places` hold a coarse picture: 16 x 16 at 512 pixels, where the papers say so, and in proportion on large ones.

        `columns(W)` are those of the network's text in which a prompt of W tokens stands; the last of them ends the text.
        """
        self.size, self.levels, self.columns = size, frozenset(levels), columns
        self.few_places = few_places or max(16 * 16, math.prod(size) // 16)
        self._maps: dict[Steering, MapStore] = {}

    def maps(self, steering: "Steering") -> MapStore:
        """The attention maps that a way of steering gathers in this run, from all its prompts."""
        return self._maps.setdefault(steering, MapStore())


@dataclass(frozen=True)
class Layer:
    """An attention layer in one call: where it is, how often its picture is halved, the places h x w that it has now, its heads.

    Its `level` is negative where maps of it tell nothing.
    """

    place: Place
    level: int
    size: tuple[int, int]
    heads: int

    @property
    def block(self) -> Block:
        return self.place[:2]


@dataclass(frozen=True)
class Reads:
    """What is read of a source: its cross-attention, its self-attention in layers of few places and in blocks, its features in blocks."""

    cross: bool = False
    few_places: bool = False
    attention: frozenset[Block] = frozenset()
    features: frozenset[Block] = frozenset()

    def itself(self, layer: Layer, drawing: Drawing) -> bool:
        """Whether the self-attention of a layer is."""
        return layer.block in self.attention or (self.few_places and math.prod(layer.size) <= drawing.few_places)

    def joined(self, other: "Reads") -> "Reads":
        """What either reads."""
        flags = self.cross or other.cross, self.few_places or other.few_places
        return Reads(*flags, self.attention | other.attention, self.features | other.features)

    def covers(self, other: "Reads") -> bool:
        """Whether all that the other reads is read here too."""
        return self == self.joined(other)


@dataclass(frozen=True, eq=False)
class PromptOfRun:
    """A prompt as it is sampled: its `context` `[1, W, C]`, whether it is a conditional one, and what its conditioning carries."""

    context: Tensor
    conditional: bool
    carried: tuple["Steering", ...] = ()


@dataclass(frozen=True, eq=False)
class Attention:
    """An attention layer in one call, as the rows of one prompt see it: `whole` are the operands of all rows and tokens.

    `queries` are the places of the picture among the queries, `columns` the prompt's tokens, or the places again, among the keys.
    `taken(source)` are q and k of a source there, of one row, which serves them all, or of B; the same tensors for every prompt.
    `joint` says that text and picture are tokens of one attention, which weighs these columns along with others.
    """

    layer: Layer
    sigma: float
    before: Before
    rows: slice
    whole: Operands
    taken: Callable[[Source], tuple[Tensor, Tensor]]
    attend: Attend
    queries: slice
    columns: slice
    joint: bool

    @cached_property
    def operands(self) -> Operands:
        """The prompt's own."""
        q, k, v = self.whole
        return q[self.rows, ..., self.queries, :], *(tensor[self.rows, ..., self.columns, :] for tensor in (k, v))


class SteeredPrompt:
    """One prompt of one run under a way of steering: does nothing, for those to override that do.

    A layer asks in this order, whatever the order of nodes: first all watch, then values are changed, then operands.
    """

    kinds: frozenset[str] = frozenset()
    """Where it does anything: looks at cross-attention (watch), changes it (cross), or self-attention (itself), looks at features,
    or at concepts, which takes a call of its own."""
    reads = Reads()
    """What it takes from its source."""
    mixes = ""
    """The input for which it needs a sampler that mixes a layout in, to shape its nu; empty for none."""
    vectors: Tensor | None = None
    """Of concepts, `[1, n, C]`, that are appended to its encoding in a call of their own."""
    width = 0
    """How many columns its prompt has; 0 where they do not matter."""
    draws_maps = False
    """Whether it reads attention maps over the picture."""
    until = 0.0
    """For which share of the run it takes anything from its source."""

    def acts(self, before: Before) -> bool:
        """Whether it has anything to do in a call at this progress."""
        return True

    def needs(self, before: Before) -> Source | None:
        """The source that a call at this progress must have for it."""
        return None

    def watch(self, there: Attention, edited: Callable[[Tensor], Tensor]) -> None:
        """Looks at a cross-attention layer; `edited(v)` is what it gives for other values `[1, W, C]`, as all ways of steering make it."""

    def sees_keys(self, layer: Layer, q: Tensor, k: Tensor, attend: Attend) -> None:
        """Looks at how the picture's queries `[B, N, C]` would attend to the keys of concepts `[B, n, C]` alone."""

    def sees_outputs(self, layer: Layer, picture: Tensor, concepts: Tensor) -> None:
        """Looks at what attention gives the picture's places `[B, N, C]` and concepts `[B, n, C]`."""

    def values(self, v: Tensor, joint: bool = False) -> Tensor:
        """The values of the prompt's tokens; `joint` as in Attention."""
        return v

    def cross(self, operands: Operands, there: Attention) -> list[Operands]:
        """Operands of a cross-attention layer whose attentions add up; of fewer columns than came, where the rest repeat them."""
        return [operands]

    def share(self, there: Attention) -> Tensor | None:
        """By how much the first of its operands' attentions counts in a cross-attention layer, `[B, N, C]`; None for wholly."""
        return None

    def itself(self, there: Attention) -> Operands | None:
        """Other operands for a self-attention layer; None where the prompt's own stay."""
        return None

    def features(self, block: Block, before: Before) -> Source | None:
        """The source whose residual features stand in for the prompt's own in a block."""
        return None

    def sees_features(self, block: Block, sigma: float, out: Tensor) -> None:
        """Looks at the prompt's own residual features `[B, C, h, w]` in a block."""

    def mask(self, like: Tensor, before: Before) -> Tensor | None:
        """Where the latent `like` may change so far, 0 to 1 and broadcasting against it; None where it may everywhere."""
        return None

    def nu(self, nu: Tensor, like: Tensor) -> Tensor:
        """What the sampler's `nu` becomes at each place of the latent `like`, against which both broadcast."""
        return nu


class Steering:
    """A way of steering, as a node makes it: what to do, before it is known in which run. It is itself only, also in copies of its carrier."""

    exclusive = False
    """Whether only the first one counts of several for one prompt: the conditioning's own, else the newest."""
    carried = True
    """Whether it rides on its prompt's conditioning as well as on the model."""
    whole = True
    """Whether its prompt must be drawn over the whole picture."""
    must_be_met = False
    """Whether a run in which it finds no prompt is a mistake."""
    source: Source | None = None

    def __deepcopy__(self, memo: dict) -> "Steering":
        return self

    def starts(self, prompt: PromptOfRun) -> list[int]:
        """The columns of a prompt's context from which on it acts; empty where it does not act on this prompt."""
        raise NotImplementedError

    def begin(self, start: int, width: int, drawing: Drawing) -> SteeredPrompt:
        """For a prompt of a run, from the column `start` of `width` on."""
        raise NotImplementedError

    def finish(self, drawing: Drawing, latents: Tensor, origin: Any) -> None:
        """Once when a run that it acted in has ended in `latents` `[B, C, H, W]`; `origin` is where the run took place."""


def steered(prompt: PromptOfRun, known: Sequence[Steering], drawing: Drawing) -> list[tuple[Steering, SteeredPrompt]]:
    """All that act on a prompt, of what it carries and of `known`, the oldest first; and what each does to it.

    All of one kind count, in whatever order they became known, unless the kind is exclusive.
    """
    found: list[tuple[Steering, SteeredPrompt]] = []
    for steering in [*prompt.carried, *(each for each in reversed(known) if each not in prompt.carried)]:
        if not (steering.exclusive and any(type(each) is type(steering) for each, _ in found)):
            columns = drawing.columns(prompt.context.shape[1])
            found += [(steering, steering.begin(columns.start + start, columns.stop, drawing)) for start in steering.starts(prompt)]
    return found


def narrowed(tensor: Tensor, width: int) -> Tensor:
    """The first `width` columns of `[.., W, C]`: a prompt's own, where the host has repeated them."""
    return tensor if tensor.shape[-2] == width else tensor[..., :width, :]
