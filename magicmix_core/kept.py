"""What edits read of a layout, kept while its path is gone through once: then a run need not compute the layout's rows again.

An edit reads, at every noise level of the path, queries and keys of attention (Prompt-to-Prompt, Plug-and-Play) and features of one
residual block (Plug-and-Play). Kept numbers are those that rows of the layout alone give; beside other rows of a batch, kernels may round
otherwise.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field

from torch import Tensor

from .steering import Attention, Block, Drawing, Layer, PromptOfRun, Reads, SteeredPrompt, Steering

MIB = 1 << 20


@dataclass(frozen=True, eq=False)
class Kept:
    """By noise level and by what is read, queries, keys and features as they are in the network; on the CPU, or where they came about."""

    reads: Reads
    on_cpu: bool = True
    levels: dict[float, dict[Hashable, Tensor]] = field(default_factory=dict)

    def keep(self, sigma: float, key: Hashable, tensor: Tensor) -> None:
        self.levels.setdefault(sigma, {})[key] = tensor.cpu() if self.on_cpu else tensor

    def at(self, sigma: float) -> "KeptLevel | None":
        """What is kept of a noise level; None for one that the path does not have."""
        return KeptLevel(self.levels[sigma]) if sigma in self.levels else None

    @property
    def mebibytes(self) -> float:
        tensors = {id(tensor): tensor for level in self.levels.values() for tensor in level.values()}
        return sum(tensor.nbytes for tensor in tensors.values()) / MIB


@dataclass(frozen=True)
class KeptLevel:
    """A source that gives what was kept, without rows of its own in a call."""

    tensors: dict[Hashable, Tensor]

    def operands(self, kind: str, layer: Layer, q: Tensor, k: Tensor, queries: slice, columns: slice) -> tuple[Tensor, Tensor]:
        return tuple(self.tensors[kind, layer.place, name].to(like, non_blocking=True) for name, like in (("q", q), ("k", k)))

    def features(self, block: Block, out: Tensor) -> Tensor:
        return self.tensors["features", block].to(out, non_blocking=True)


@dataclass(frozen=True, eq=False)
class Keeping(Steering):
    """Has a run over a layout's path fill `kept` with what is read of it."""

    kept: Kept
    carried = False

    def starts(self, prompt: PromptOfRun) -> list[int]:
        return [0] if prompt.conditional else []

    def begin(self, start: int, width: int, drawing: Drawing) -> "KeptPrompt":
        return KeptPrompt(self.kept, drawing)


class KeptPrompt(SteeredPrompt):
    """The layout's prompt, whose operands and features are kept as they are."""

    kinds = frozenset({"watch", "itself", "features"})

    def __init__(self, kept: Kept, drawing: Drawing):
        self.kept, self.drawing = kept, drawing

    def watch(self, there: Attention, edited) -> None:
        if self.kept.reads.cross:
            self._keep("cross", there)

    def itself(self, there: Attention) -> None:
        if self.kept.reads.itself(there.layer, self.drawing):
            self._keep("itself", there)

    def sees_features(self, block: Block, sigma: float, out: Tensor) -> None:
        if block in self.kept.reads.features:
            self.kept.keep(sigma, ("features", block), out)

    def _keep(self, kind: str, there: Attention) -> None:
        q, k, _ = there.operands
        place = there.layer.place
        self.kept.keep(there.sigma, (kind, place, "q"), q)
        if kind == "cross" and not there.joint and self.kept.levels:  # the prompt's keys are the same at every noise level
            k = next(iter(self.kept.levels.values())).get((kind, place, "k"), k)
        self.kept.keep(there.sigma, (kind, place, "k"), k)
