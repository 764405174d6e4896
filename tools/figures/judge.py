"""Says how much a picture looks like a concept, by a small network that never saw the sampler.

The network is the classifier of tools/demo_model, trained on rendered drawings only.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

sys.path.append(str(Path(__file__).resolve().parent.parent / "demo_model"))

from classifier import Classifier, shrink

FILE = Path(__file__).with_name("judge.safetensors")


class Judge:
    """Similarities are cosines between centred logits: 1 for the concept's own drawings, around 0 for unrelated pictures."""

    def __init__(self, file: Path = FILE):
        with safe_open(file, "pt") as stored:
            self.facts = json.loads(stored.metadata()["facts"])
            tensors = {key: stored.get_tensor(key).float() for key in stored.keys()}  # noqa: SIM118 (a file, not a dict)
        self.prototypes = _direction(tensors.pop("prototypes"))
        self.names = self.facts["concepts"]
        self.model = Classifier(len(self.names), len(self.facts["styles"]))
        self.model.load_state_dict(tensors, strict=False)
        self.model.eval()

    @torch.no_grad()
    def similarity(self, pictures: Tensor, concepts: list[str]) -> Tensor:
        """`[B]`: how much each picture `[B, 3, H, W]` in 0..1 looks like its concept."""
        logits = torch.cat([self.model(part)[0] for part in shrink(pictures.float() * 2 - 1).split(64)])
        return (_direction(logits) * self.prototypes[[self.names.index(name) for name in concepts]]).sum(1)

    def likeness(self, first: str, second: str) -> float:
        """How alike the drawings of two concepts are."""
        return float(self.prototypes[self.names.index(first)] @ self.prototypes[self.names.index(second)])


def _direction(logits: Tensor) -> Tensor:
    centred = logits - logits.mean(1, keepdim=True)
    return centred / centred.norm(dim=1, keepdim=True)
