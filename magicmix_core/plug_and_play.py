"""Plug-and-Play (arXiv 2211.12572): a layout's self-attention and residual features, in place of those of every prompt of a run.

    f_t^l <- f_source^l      the residual branch of one decoder block, for the first `feature_steps`       (section 4.1)
    A_t^l <- A_source^l      the self-attention maps of the decoder from there on, for `attention_steps`   (section 4.2)

In a network without a decoder, attention of the picture's places in blocks of its own numbering.

A map is its queries and keys: `A = softmax(q k^T)`. Conditional and unconditional rows take the source's alike.
"""

from dataclasses import dataclass, field

from .blocks import parse_blocks
from .layout import Layout, check_has_prompt
from .steering import Attention, Before, Block, Drawing, Operands, PromptOfRun, Reads, Source, SteeredPrompt, Steering
from .wording import quoted


@dataclass(frozen=True)
class Structure:
    """What of a network holds structure: `count` blocks of one `part`, those that are `attending`, and which are taken by default, in
    the network's own numbering. `features` is None where no part of a block stands for the papers' features.
    """

    part: str
    count: int
    attending: frozenset[int]
    attention: str
    features: str | None

    @property
    def where(self) -> str:
        return "the model's decoder" if self.part == "output" else "the model"

    def attention_blocks(self, text: str = "") -> frozenset[Block]:
        """Those that `text` names. Raises ValueError for blocks that there are not, and where none of them attends."""
        chosen = parse_blocks("attention_blocks", text.strip() or self.attention, self.count, self.where)
        if not chosen & self.attending:
            raise ValueError(
                f"attention_blocks: {self.where} attends in blocks {', '.join(map(str, sorted(self.attending)))}; got {quoted(text)}"
            )
        return frozenset((self.part, number) for number in chosen)

    def feature_blocks(self, text: str = "") -> frozenset[Block]:
        """Those that `text` names; none where the network has no features. Raises ValueError for blocks that there are not."""
        if self.features is None:
            return frozenset()
        return frozenset(
            (self.part, number) for number in parse_blocks("feature_blocks", text.strip() or self.features, self.count, self.where)
        )

    @property
    def reads(self) -> Reads:
        """What is read of a layout by default."""
        return Reads(attention=self.attention_blocks(), features=self.feature_blocks())


@dataclass(frozen=True, eq=False)
class PlugAndPlay(Steering):
    """What a run takes from `source`: in which blocks, and for which share of the timesteps."""

    source: Source = field()  # no default, which the base class has
    attention_blocks: frozenset[Block]
    attention_until: float
    feature_blocks: frozenset[Block]
    feature_until: float
    exclusive = True
    carried = False

    def starts(self, prompt: PromptOfRun) -> list[int]:
        return [0]

    def begin(self, start: int, width: int, drawing: Drawing) -> "FollowingPrompt":
        return FollowingPrompt(self)


def follow(
    structure: Structure, layout: Layout, attention_steps: float, feature_steps: float, attention_blocks: str, feature_blocks: str
) -> PlugAndPlay:
    """What is taken from `layout` in blocks of a network; no blocks named: the default ones.

    Raises ValueError for blocks that there are not, for features of a network that has none, and for a layout without a prompt.
    """
    check_has_prompt(layout)
    if len(layout.conditioning) != 1:
        raise ValueError(f"layout must have been made with one prompt, got {len(layout.conditioning)} combined ones")
    if structure.features is None and feature_steps > 0:
        raise ValueError(
            f"feature_steps must be 0 for this model, got {feature_steps:g}: it has no features to take, only attention (attention_steps)"
        )
    attention = structure.attention_blocks(attention_blocks) if attention_steps else frozenset()
    return PlugAndPlay(Source(layout), attention, attention_steps, structure.feature_blocks(feature_blocks), feature_steps)


class FollowingPrompt(SteeredPrompt):
    """Any prompt of a run that takes a layout's structure."""

    kinds = frozenset({"itself"})

    def __init__(self, taken: PlugAndPlay):
        self.take = taken
        self.until = max(taken.attention_until, taken.feature_until)
        self.reads = Reads(
            attention=taken.attention_blocks if taken.attention_until else frozenset(),
            features=taken.feature_blocks if taken.feature_until else frozenset(),
        )

    def acts(self, before: Before) -> bool:
        return before(self.until)

    def needs(self, before: Before) -> Source | None:
        return self.take.source if before(self.until) else None

    def itself(self, there: Attention) -> Operands | None:
        if there.layer.block in self.reads.attention and there.before(self.take.attention_until):
            return (*there.taken(self.take.source), there.operands[2])
        return None

    def features(self, block: Block, before: Before) -> Source | None:
        return self.take.source if block in self.reads.features and before(self.take.feature_until) else None
