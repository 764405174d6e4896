"""Plug-and-Play (arXiv 2211.12572): a layout's self-attention and residual features, in place of those of every prompt of a run.

    f_t^l <- f_source^l      the residual branch of one decoder block, for the first `feature_steps`       (section 4.1)
    A_t^l <- A_source^l      the self-attention maps of the decoder from there on, for `attention_steps`   (section 4.2)

A map is its queries and keys: `A = softmax(q k^T)`. Conditional and unconditional rows take the source's alike.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from .blocks import parse_blocks
from .layout import Layout, check_has_prompt
from .steering import Attention, Before, Block, Drawing, Operands, PromptOfRun, Reads, Source, SteeredPrompt, Steering
from .wording import quoted


@dataclass(frozen=True)
class Decoder:
    """What a network's decoder offers: so many blocks, those that attend, and the papers' choice of blocks in its own numbering."""

    count: int
    attending: frozenset[int]
    attention: str
    features: str

    @property
    def reads(self) -> Reads:
        """What the papers' choice reads of a layout."""
        attention, features = (parse_blocks("blocks", text, self.count) for text in (self.attention, self.features))
        return Reads(attention=_decoder_blocks(attention), features=_decoder_blocks(features))


@dataclass(frozen=True, eq=False)
class PlugAndPlay(Steering):
    """What a run takes from `source`: in which decoder blocks, and for which share of the timesteps."""

    source: Source = field()  # no default, which the base class has
    attention_blocks: frozenset[int]
    attention_until: float
    feature_blocks: frozenset[int]
    feature_until: float
    exclusive = True
    carried = False

    def starts(self, prompt: PromptOfRun) -> list[int]:
        return [0]

    def begin(self, start: int, width: int, drawing: Drawing) -> "FollowingPrompt":
        return FollowingPrompt(self)


def follow(
    decoder: Decoder, layout: Layout, attention_steps: float, feature_steps: float, attention_blocks: str, feature_blocks: str
) -> PlugAndPlay:
    """What is taken from `layout` in blocks of a network's decoder; no blocks named: the paper's.

    Raises ValueError for blocks that there are not, and for a layout without a prompt.
    """
    check_has_prompt(layout)
    if len(layout.conditioning) != 1:
        raise ValueError(f"layout must have been made with one prompt, got {len(layout.conditioning)} combined ones")
    chosen = parse_blocks("attention_blocks", attention_blocks.strip() or decoder.attention, decoder.count)
    if attention_steps and not chosen & decoder.attending:
        raise ValueError(
            f"attention_blocks: the model's decoder attends in blocks {', '.join(map(str, sorted(decoder.attending)))}; got {quoted(attention_blocks)}"
        )
    features = parse_blocks("feature_blocks", feature_blocks.strip() or decoder.features, decoder.count)
    return PlugAndPlay(Source(layout), frozenset(chosen), attention_steps, frozenset(features), feature_steps)


class FollowingPrompt(SteeredPrompt):
    """Any prompt of a run that takes a layout's structure."""

    kinds = frozenset({"itself"})

    def __init__(self, taken: PlugAndPlay):
        self.take = taken
        self.until = max(taken.attention_until, taken.feature_until)
        attention = taken.attention_blocks if taken.attention_until else ()
        features = taken.feature_blocks if taken.feature_until else ()
        self.reads = Reads(attention=_decoder_blocks(attention), features=_decoder_blocks(features))

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


def _decoder_blocks(numbers: Iterable[int]) -> frozenset[Block]:
    return frozenset(("output", number) for number in numbers)
