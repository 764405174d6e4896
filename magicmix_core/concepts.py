"""Maps of words that are not in the prompt (ConceptAttention, arXiv 2502.04320): what a place of the picture is most like.

Concepts ride along as tokens of their own in a call that changes nothing. Where text and picture are tokens of one attention they become
what they see of the picture, and a place is like a concept as their outputs are: `softmax_c(o_place . o_c)` (section 3). In
cross-attention, where text does not see the picture, it is `softmax_c(q_place . k_c)`.
"""

from torch import Tensor

from .attention import Indicators, word_maps
from .maps import MapStore
from .steering import Attend, Before, Layer, SteeredPrompt

BEGIN = 0.5
"""The picture's parts are not told apart before half of the denoising: nothing is read until then."""


class ConceptPrompt(SteeredPrompt):
    """A prompt beside which concepts `vectors` `[1, n, C]` look at the picture, in the layers at `level`; their maps go to `store`."""

    kinds = frozenset({"concepts"})
    draws_maps = True

    def __init__(self, vectors: Tensor, level: int, store: MapStore):
        self.vectors, self.level, self.store = vectors, level, store
        self._each = Indicators([[number] for number in range(vectors.shape[1])])

    def acts(self, before: Before) -> bool:
        return not before(BEGIN)

    def sees_keys(self, layer: Layer, q: Tensor, k: Tensor, attend: Attend) -> None:
        if layer.level == self.level:
            maps = word_maps(lambda v: attend(q, k, v.expand(len(q), *v.shape[1:])), self._each, k.shape[-2], layer.heads, q)
            self.store.add(maps.unflatten(-1, layer.size))

    def sees_outputs(self, layer: Layer, picture: Tensor, concepts: Tensor) -> None:
        if layer.level == self.level:
            likeness = (concepts.float() @ picture.float().mT).softmax(1)
            self.store.add(likeness.unflatten(-1, layer.size))
