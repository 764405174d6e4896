"""Re-weighting a prompt's words (Prompt-to-Prompt, arXiv 2208.01626, section 3.2; MagicMix, arXiv 2210.16056, section 3.3).

    M* = M diag(s),  and  (M diag(s)) V = M (diag(s) V):

column j of the attention map M, scaled by s_j, is row j of the values V scaled. Below 0 it removes what the word names.
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import pad

from .attention import scale_columns, scale_deviations
from .encodings import starts_of_edit
from .placed import Placed
from .prompts import Prompt
from .steering import Before, Drawing, PromptOfRun, SteeredPrompt, Steering

JOINT_DEVIATIONS = False
"""Which form is taken where text and picture attend jointly: the paper's own removes more at equal structure (docs/measurements.md)."""


@dataclass(frozen=True, eq=False)
class Reweighting(Steering):
    """The `scales` s `[W]` of the prompt with this `encoding` `[1, W, C]`, 1 where a token stays as it is."""

    encoding: Tensor
    scales: Tensor
    whole = False

    def starts(self, prompt: PromptOfRun) -> list[int]:
        return starts_of_edit(self, prompt)

    def begin(self, start: int, width: int, drawing: Drawing) -> "ReweightedPrompt":
        return ReweightedPrompt(pad(self.scales, (start, width - start - len(self.scales)), value=1.0))


def reweight(prompt: Prompt, words: str, scale: float = 1.0) -> Reweighting:
    """`words` of the prompt scaled, by `scale` where they have no number of their own. Raises ValueError for a word that is not in it."""
    return Reweighting(prompt.encoding, prompt.values(words, "words", scale, 1.0))


class ReweightedPrompt(SteeredPrompt):
    """A prompt whose context of W columns is scaled by `scales` `[W]`."""

    kinds = frozenset({"cross"})

    def __init__(self, scales: Tensor):
        self.scales, self.width = scales, len(scales)
        self.changes = bool((scales != 1).any())
        self._placed = Placed()

    def acts(self, before: Before) -> bool:
        return self.changes

    def values(self, v: Tensor, joint: bool = False) -> Tensor:
        scales = self._placed.get(v.shape[-2], v, lambda: self._widened(v))
        return scale_deviations(v, scales) if joint and JOINT_DEVIATIONS else scale_columns(v, scales)

    def _widened(self, v: Tensor) -> Tensor:
        """s for a context that the host has repeated, and to which others may have added tokens."""
        width = v.shape[-2]
        whole = self.scales.repeat(width // len(self.scales))
        return pad(whole, (0, width - len(whole)), value=1.0).to(v)
