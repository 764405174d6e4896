"""Prompt-to-Prompt (arXiv 2208.01626): a changed prompt, drawn with the attention maps of the source's.

    M* = M_source P                        word swap and refinement (section 3.2), P mapping the source's columns to the target's
    M*_j = M_j  for a new word j           refinement: a column that the source does not have keeps the target's own map

while the run has not come to `cross_steps` in cross-attention and to `self_steps` in self-attention of few places. A row of such a map
sums to more than 1 by what is on new words, and to less by what was on words that are gone; where new words make room for themselves, which
is ours, the source's part counts by as much as makes the sum 1. Local blend (section 4): the rest of the picture stays the layout's, but for
where maps of chosen words say that these are.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import pad

from .attention import Indicators, edit_operands, share_beside, word_maps
from .checks import check_range
from .correspondence import check_alignable, correspond
from .encodings import starts_of_edit
from .layout import Layout, check_has_prompt
from .maps import MapStore, blend_mask, nearest_level
from .placed import Placed
from .places import spread
from .prompts import Prompt, parse_words
from .steering import Attention, Before, Drawing, Operands, PromptOfRun, Reads, Source, SteeredPrompt, Steering, narrowed

EDITS = ("auto", "swap", "refine")
READS = Reads(cross=True, few_places=True)
"""What an edit may read of its source."""
JOINT_TEXT_KEYS = False
"""Where text and picture attend jointly, the picture looks as the source's does, but at its own prompt's keys: those of two prompts
mean different things there (arXiv 2508.07519)."""
BLEND_START = 0.2
"""Local blend as published begins at a fifth of the run."""

Columns = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class PromptToPrompt(Steering):
    """An edit of the prompt with this `encoding` `[1, W, C]`.

    `mapping` is P `[W_source, W]`; `cross_until` `[W]` and `self_until` say for which share of the timesteps the source governs a
    column and self-attention. `blend` are the columns, in the source and in the target, of words whose place may change while the
    rest stays; none for no blend. `make_room` says that new words take from the others.
    """

    encoding: Tensor
    source: Source = field()  # no default, which the base class has
    mapping: Tensor
    cross_until: Tensor
    self_until: float
    blend: tuple[Columns, Columns] = ((), ())
    make_room: bool = False
    exclusive = True

    def starts(self, prompt: PromptOfRun) -> list[int]:
        starts = starts_of_edit(self, prompt)
        if len(starts) > 1:
            raise ValueError(
                f"positive must have the prompt that is edited in it once, got it {len(starts)} times: have Conditioning (Concat) append another"
            )
        return starts

    def begin(self, start: int, width: int, drawing: Drawing) -> "EditedPrompt":
        return EditedPrompt(self, start, width, drawing)


def edit_prompt(
    source: Prompt,
    target: Prompt,
    layout: Layout,
    edit: str,
    cross_steps: float,
    self_steps: float,
    *,
    word_steps: str = "",
    local_blend: str = "",
    make_room: bool = False,
) -> tuple[PromptToPrompt, str]:
    """The edit from one prompt to the other over the layout that was drawn for the first, and whether it is a swap or refine.

    `word_steps` gives words a cross_steps of their own, `local_blend` are words whose place may change, `make_room` is as in
    PromptToPrompt. Raises ValueError for a layout without a prompt and for prompts that `edit` cannot serve.
    """
    check_has_prompt(layout)
    check_alignable("source_text", source.tokens)
    check_alignable("target_text", target.tokens)
    correspondence, edit = correspond(source.tokens, target.tokens, edit)
    steps = target.values(word_steps, "word_steps", cross_steps, cross_steps)
    for value in steps.unique().tolist():
        check_range("word_steps", value, 0, 1)
    made = PromptToPrompt(
        target.encoding,
        Source(layout, source.conditioning[0]),
        correspondence.mapping,
        correspondence.follows * steps,
        self_steps,
        _blend_columns(source, target, local_blend),
        make_room,
    )
    return made, edit


def _blend_columns(source: Prompt, target: Prompt, words: str) -> tuple[Columns, Columns]:
    """The columns of `words` in the source and in the target; each must be in one of them."""
    in_source, in_target = [], []
    for word, _ in parse_words(words, 1.0, "local_blend"):
        in_source += (there := source.occurrences(word, "local_blend"))
        in_target += target.occurrences(word, "local_blend") if there else target.find(word, "local_blend")
    return tuple(in_source), tuple(in_target)


class EditedPrompt(SteeredPrompt):
    """A prompt whose context of `width` columns is edited from the column `start` on."""

    def __init__(self, edit: PromptToPrompt, start: int, width: int, drawing: Drawing):
        beyond = (start, width - start - len(edit.cross_until))
        self.edit, self.width, self.drawing, self.draws_maps = edit, width, drawing, any(edit.blend)
        self.mixes = "local_blend" if self.draws_maps else ""
        source = drawing.columns(len(edit.mapping))
        self._mapping = pad(edit.mapping, (*beyond, source.start, 0))
        self._cross_until = pad(edit.cross_until, beyond)
        self._shares = sorted(set(edit.cross_until.tolist()) - {0.0})
        self._cross_end = max(self._shares, default=0.0)
        self.until = max(edit.self_until, self._cross_end)
        self.kinds = frozenset({"cross", "itself"} | ({"watch"} if self.draws_maps else set()))
        self.reads = Reads(cross=self.draws_maps or bool(self._shares), few_places=edit.self_until > 0)
        self._blend_level = nearest_level(drawing.levels, *drawing.size, drawing.few_places)
        self._blend = [Indicators([list(columns)]) for columns in (edit.blend[0], [start + column for column in edit.blend[1]])]
        self._maps, self._placed = MapStore(), Placed()

    def acts(self, before: Before) -> bool:
        return self.draws_maps or before(self.until)

    def needs(self, before: Before) -> Source | None:
        return self.edit.source if self.acts(before) else None

    def cross(self, operands: Operands, there: Attention) -> list[Operands]:
        """`(M_source A + M diag(1 - g)) V` with `A = P diag(g)`, g being 1 for the columns that the source governs by now."""
        q, k, v = operands
        if not there.before(self._cross_end):
            return [operands]
        mapping, own, _ = self._governed(there, v)
        source_q, source_k = there.taken(self.edit.source)
        if there.joint and not JOINT_TEXT_KEYS:
            return [(source_q, k, v)]
        if mapping is None and own is None:
            return [(source_q, narrowed(source_k, v.shape[-2]), v)]
        k, v = (narrowed(tensor, self.width) for tensor in (k, v))
        return edit_operands(q, k, v, (source_q, narrowed(source_k, len(self._mapping))), mapping, own)

    def share(self, there: Attention) -> Tensor | None:
        """Where text and picture attend jointly, rows sum to 1 as they are."""
        if not (self.edit.make_room and there.before(self._cross_end)) or there.joint:
            return None
        q, k, v = there.operands
        _, own, mapped = self._governed(there, v)
        source_q, source_k = there.taken(self.edit.source)
        k, v = (narrowed(tensor, self.width) for tensor in (k, v))
        return share_beside(there.attend, (q, k, v), (source_q, narrowed(source_k, len(self._mapping))), own, mapped)

    def itself(self, there: Attention) -> Operands | None:
        if there.before(self.edit.self_until) and self.reads.itself(there.layer, self.drawing):
            return (*there.taken(self.edit.source), there.operands[2])
        return None

    def watch(self, there: Attention, edited) -> None:
        """Maps of the blend's words, each side's own, in the layers of one level."""
        if there.layer.level != self._blend_level:
            return
        own, heads = there.operands, there.layer.heads
        maps = [
            word_maps(lambda v, q=q, k=k: there.attend(q, k, v.expand(len(q), *v.shape[1:])), words, k.shape[-2], heads, q)
            for (q, k), words in zip((there.taken(self.edit.source), own[:2]), self._blend, strict=True)
            if words.columns[0]
        ]
        whole = torch.cat([each.expand(len(own[0]), -1, -1) for each in maps], 1)
        self._maps.add(whole.unflatten(-1, there.layer.size))

    def mask(self, like: Tensor, before: Before) -> Tensor | None:
        if self._maps.empty or before(BLEND_START):
            return None
        return spread(blend_mask(self._maps.mean(self.drawing.few_places), *like.shape[-2:]), like).to(like)

    def _governed(self, there: Attention, like: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """A, `1 - g` and the sums of A's rows, of the columns that are governed by now; there must be some.

        None stands for the identity, for none that is left out, and for sums that all are 1.
        """
        governing = sum(map(there.before, self._shares))
        return self._placed.get(governing, like, lambda: self._operators(self._shares[-governing], like))

    def _operators(self, least: float, like: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        g = (self._cross_until >= least).to(self._mapping)
        mapping = self._mapping * g
        same = mapping.shape[0] == mapping.shape[1] and torch.equal(mapping, torch.eye(len(mapping), dtype=mapping.dtype))
        own = None if bool(g.all()) else (1 - g).to(like)
        sums = mapping.sum(1)
        mapped = None if torch.allclose(sums, torch.ones_like(sums)) else sums.to(like)
        return None if same else mapping.to(like), own, mapped
