"""Edits of prompts: what a conditioning carries about its own attention, and how it finds its prompt again in a run.

An edit rides in its conditioning's dictionary, which the core's nodes keep, except ConditioningConcat for the one that is
appended; so the model carries the edits too, and an appended prompt is recognised by its encoding.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import torch
from torch import Tensor

from ...magicmix_core.prompts import Token, WordFinder, check_alignable, correspond, parse_words
from ..checks import check_finite_number, check_range
from .layouts import Layout, RecordedLatents, check_has_prompt
from .prompts import encode, tokenize

Before = Callable[[float], bool]
"""Whether a run has not yet come to this share of the model's timesteps, in [0, 1]: at 0 never, at 1 always."""
KEY = "magicmix_edits"
EDITS = ("auto", "swap", "refine")


@dataclass(frozen=True)
class Source:
    """Where a Prompt-to-Prompt edit gets its maps: a layout's path, seen with a conditioning `[tensor, dict]`.

    `mapping` is P `[W_source, W]`; `cross_until` `[W]` and `self_until` say for which share of the timesteps it governs. `blend`
    are the columns, in the source and in the target, of words whose place may change while the rest stays; none for no blend.
    """

    layout: RecordedLatents
    conditioning: list
    mapping: Tensor
    cross_until: Tensor
    self_until: float
    blend: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())

    @property
    def blends(self) -> bool:
        return any(self.blend)

    @property
    def until(self) -> float:
        """For which share of the run its attention is needed."""
        return max(self.self_until, float(self.cross_until.max()))

    def active(self, before: Before) -> bool:
        """Whether the source is needed, at a noise level that lies `before(share)` of the run's end or not."""
        return self.blends or before(self.until)


@dataclass(frozen=True, eq=False)
class PromptEdit:
    """What is done to the attention of the prompt with this `encoding` `[1, W, C]`: its tokens' `scales` `[W]`, and a `source`.

    An edit is itself only, also where what carries it is copied.
    """

    encoding: Tensor
    scales: Tensor
    source: Source | None = None

    @property
    def width(self) -> int:
        return len(self.scales)

    def __deepcopy__(self, memo: dict) -> "PromptEdit":
        return self

    def joined(self, other: "PromptEdit") -> "PromptEdit":
        """Both edits of one prompt: scales multiply, and where both have a source, this one's counts."""
        return replace(self, scales=self.scales * other.scales, source=self.source or other.source)

    def placed(self, start: int, width: int) -> "PromptEdit":
        """The edit as one of a wider context, of which it covers the columns from `start` on."""
        beyond = (start, width - start - self.width)
        source = self.source and replace(
            self.source,
            mapping=torch.nn.functional.pad(self.source.mapping, beyond),
            cross_until=torch.nn.functional.pad(self.source.cross_until, beyond),
            blend=(self.source.blend[0], tuple(start + column for column in self.source.blend[1])),
        )
        return replace(self, scales=torch.nn.functional.pad(self.scales, beyond, value=1.0), source=source)


def reweight(clip, text: str, conditioning: list, words: str, scale: float) -> PromptEdit:
    """`words` of the prompt `text`, whose encoding is `conditioning`, scaled. Raises ValueError for a word that is not in it."""
    return PromptEdit(conditioning[0][0], _values(clip, tokenize(clip, text), "words", words, scale, 1.0))


def prompt_to_prompt(
    clip,
    layout: Layout,
    texts: tuple[str, str],
    edit: str,
    cross_steps: float,
    self_steps: float,
    *,
    words: str = "",
    word_steps: str = "",
    local_blend: str = "",
) -> tuple[PromptEdit, list, str]:
    """The edit from the source's text to the target's, the target's CONDITIONING, and whether it is a swap or refine.

    `words` re-weights, `word_steps` gives words a cross_steps of their own, `local_blend` are words whose place may change. Raises ValueError for texts that `edit` cannot serve.
    """
    check_has_prompt(layout)
    source, target = (tokenize(clip, text, name) for text, name in zip(texts, ("source_text", "target_text"), strict=True))
    check_alignable("source_text", source)
    check_alignable("target_text", target)
    correspondence, edit = correspond(source, target, edit)
    steps = _values(clip, target, "word_steps", word_steps, cross_steps, cross_steps)
    for value in steps.unique().tolist():
        check_range("word_steps", value, 0, 1)
    blend = _blend_columns(clip, source, target, local_blend)
    made = Source(
        layout, encode(clip, texts[0], "source_text")[0], correspondence.mapping, correspondence.follows * steps, self_steps, blend
    )
    conditioning = encode(clip, texts[1], "target_text")
    return PromptEdit(conditioning[0][0], _values(clip, target, "words", words, 1.0, 1.0), made), conditioning, edit


def _values(clip, tokens: list[Token], name: str, words: str, default: float, elsewhere: float) -> Tensor:
    """`[W]`: the number that `words` gives to each column, `default` for words without one, `elsewhere` for all others."""
    values, finder = torch.full((len(tokens),), elsewhere, dtype=torch.float64), WordFinder(tokens)
    for word, value in parse_words(words, default, name):
        check_finite_number(name, value)
        values[finder.find(tokenize(clip, word, name), word)] = value
    return values


def _blend_columns(clip, source: list[Token], target: list[Token], words: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The columns of `words` in the source and in the target; each must be in one of them."""
    in_source, in_target = [], []
    finders = WordFinder(source), WordFinder(target)
    for word, _ in parse_words(words, 1.0, "local_blend"):
        phrase = tokenize(clip, word, "local_blend")
        in_source += (there := finders[0].occurrences(phrase))
        in_target += finders[1].occurrences(phrase) if there else finders[1].find(phrase, word)
    return tuple(in_source), tuple(in_target)


def stands_at(encoding: Tensor, context: Tensor, start: int) -> bool:
    """Whether `encoding` `[1, W, C]` stands in `context` `[1, W', C]` from column `start` on."""
    return torch.equal(context[:, start : start + encoding.shape[1]].cpu(), encoding.cpu())


def first_difference(encoding: Tensor, context: Tensor) -> int:
    """The first column in which `encoding` `[1, W, C]` is not `context` `[1, W', C]`; W where it is all the same."""
    width = min(encoding.shape[1], context.shape[1])
    if encoding.shape[2] != context.shape[2]:
        return 0
    same = torch.isclose(encoding[:1, :width].cpu(), context[:1, :width].cpu(), rtol=1e-3, atol=1e-4).all(2)[0]
    return int(same.cumprod(0).sum()) if width < encoding.shape[1] or not bool(same.all()) else encoding.shape[1]


def edit_of(conditioning: dict, known: Sequence[PromptEdit]) -> PromptEdit | None:
    """The edit of a conditioning as the sampler holds it: its own, and those of the prompts that were appended to it.

    All edits of one prompt count, in whatever order the model came to know them.
    """
    context = conditioning.get("cross_attn")
    if context is None:
        return None
    newest_first = known[::-1]
    found = []
    width = context.shape[1]
    column = 1  # what stands first and carries no edit of its own is a prompt without one
    own = conditioning.get(KEY)
    if own is not None:
        others = [
            edit for edit in newest_first if edit is not own and edit.width == own.width and stands_at(edit.encoding, own.encoding, 0)
        ]
        found.append(reduce(PromptEdit.joined, others, own).placed(0, width))
        column = own.width
    while column < width:
        matches = [edit for edit in newest_first if stands_at(edit.encoding, context, column)]
        if matches:
            alike = [edit for edit in matches if edit.width == matches[0].width]
            found.append(reduce(PromptEdit.joined, alike).placed(column, width))
        column += matches[0].width if matches else 1
    return reduce(PromptEdit.joined, found) if found else None
