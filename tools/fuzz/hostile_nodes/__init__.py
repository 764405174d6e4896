"""Test-only nodes for the fuzzer's server: they make what no node of the host makes, but some node of somebody's may."""

import torch

NAN, INF = float("nan"), float("inf")


def _zeros(*shape):
    return torch.zeros(*shape)


LATENTS = {
    "nan": lambda: {"samples": torch.full((1, 4, 8, 8), NAN)},
    "infinite": lambda: {"samples": torch.full((1, 4, 8, 8), INF)},
    "one nan": lambda: {"samples": torch.zeros(1, 4, 8, 8).index_fill_(3, torch.tensor([3]), NAN)},
    "huge": lambda: {"samples": torch.full((1, 4, 8, 8), 1e30)},
    "no rows": lambda: {"samples": _zeros(0, 4, 8, 8)},
    "no places": lambda: {"samples": _zeros(1, 4, 0, 8)},
    "one place": lambda: {"samples": _zeros(1, 4, 1, 1)},
    "three lengths": lambda: {"samples": _zeros(4, 8, 8)},
    "five lengths": lambda: {"samples": _zeros(1, 4, 1, 8, 8)},
    "two channels": lambda: {"samples": _zeros(1, 2, 8, 8)},
    "whole numbers": lambda: {"samples": torch.zeros(1, 4, 8, 8, dtype=torch.long)},
    "half": lambda: {"samples": torch.zeros(1, 4, 8, 8, dtype=torch.half)},
    "double": lambda: {"samples": torch.randn(1, 4, 8, 8, dtype=torch.double)},
    "no samples": lambda: {},
    "a list": lambda: {"samples": [[0.0]]},
    "a tensor": lambda: _zeros(1, 4, 8, 8),
    "nothing": lambda: None,
    "nan mask": lambda: {"samples": _zeros(1, 4, 8, 8), "noise_mask": torch.full((1, 1, 64, 64), NAN)},
    "odd mask": lambda: {"samples": _zeros(1, 4, 8, 8), "noise_mask": torch.ones(3, 5)},
    "odd index": lambda: {"samples": _zeros(1, 4, 8, 8), "batch_index": [5, 6, 7]},
}
IMAGES = {
    "nan": lambda: torch.full((1, 64, 64, 3), NAN),
    "grey": lambda: torch.rand(1, 64, 64, 1),
    "two channels": lambda: torch.rand(1, 64, 64, 2),
    "rgba": lambda: torch.rand(1, 64, 64, 4),
    "outside": lambda: torch.full((1, 64, 64, 3), -7.0),
    "no rows": lambda: _zeros(0, 64, 64, 3),
    "no places": lambda: _zeros(1, 0, 64, 3),
    "one picture": lambda: torch.rand(64, 64, 3),
    "five lengths": lambda: torch.rand(1, 1, 64, 64, 3),
    "bytes": lambda: torch.zeros(1, 64, 64, 3, dtype=torch.uint8),
    "half": lambda: torch.rand(1, 64, 64, 3).half(),
    "a list": lambda: [torch.rand(64, 64, 3)],
    "nothing": lambda: None,
}
MASKS = {
    "nan": lambda: torch.full((1, 8, 8), NAN),
    "two lengths": lambda: torch.rand(8, 8),
    "four lengths": lambda: torch.rand(1, 1, 8, 8),
    "five lengths": lambda: torch.rand(1, 1, 1, 8, 8),
    "a line": lambda: torch.rand(8),
    "no rows": lambda: _zeros(0, 8, 8),
    "no places": lambda: _zeros(1, 0, 8),
    "whole numbers": lambda: torch.ones(1, 8, 8, dtype=torch.long),
    "seven rows": lambda: torch.rand(7, 8, 8),
    "outside": lambda: torch.full((1, 8, 8), 1.5),
    "nothing": lambda: None,
}
CONDITIONINGS = {
    "none": lambda: [],
    "nan": lambda: [[torch.full((1, 77, 128), NAN), {}]],
    "no width": lambda: [[_zeros(1, 0, 128), {}]],
    "no rows": lambda: [[_zeros(0, 77, 128), {}]],
    "another family": lambda: [[_zeros(1, 77, 2048), {"pooled_output": _zeros(1, 1280)}]],
    "two lengths": lambda: [[_zeros(77, 128), {}]],
    "no text": lambda: [[None, {}]],
    "odd width": lambda: [[torch.randn(1, 50, 128), {}]],
    "wide": lambda: [[torch.randn(1, 231, 128), {}]],
    "two rows": lambda: [[torch.randn(2, 77, 128), {}]],
    "nothing": lambda: None,
}
STRINGS = {"a number": lambda: 5, "a fraction": lambda: 0.5, "nothing": lambda: None, "a list": lambda: ["a"], "yes": lambda: True}
NUMBERS = {
    **{"nan": lambda: NAN, "infinite": lambda: INF, "a text": lambda: "many", "a number as text": lambda: "3", "nothing": lambda: None},
    **{"a list": lambda: [1, 2], "yes": lambda: True, "huge": lambda: 2**70, "a tensor": lambda: torch.ones(2), "minus": lambda: -3},
    "a fraction": lambda: 2.5,
}
MODELS = {"nothing": lambda: None, "a text": lambda: "model"}


def _node(output: str, made: dict) -> type:
    def execute(self, which):
        return (made[which](),)

    members = {
        "INPUT_TYPES": classmethod(lambda cls: {"required": {"which": (list(made),)}}),
        "RETURN_TYPES": (output,),
        "FUNCTION": "execute",
        "CATEGORY": "test",
        "execute": execute,
    }
    return type(f"Hostile{output.title()}", (), members)


KINDS = {
    **{"LATENT": LATENTS, "IMAGE": IMAGES, "MASK": MASKS, "CONDITIONING": CONDITIONINGS},
    **{"STRING": STRINGS, "INT": NUMBERS, "FLOAT": NUMBERS},
    **{"MODEL": MODELS, "CLIP": MODELS, "SAMPLER": MODELS, "MAGICMIX_LAYOUT": MODELS, "MAGICMIX_MAPS": MODELS},
}
NODE_CLASS_MAPPINGS = {f"Hostile{kind.title()}": _node(kind, made) for kind, made in KINDS.items()}
