"""Ways of steering to test on plain tensors: a prompt of five tokens, its edits, and the layout that they take from."""

import torch

from magicmix_core.layout import RecordedLayout
from magicmix_core.plug_and_play import Structure, follow
from magicmix_core.prompt_to_prompt import PromptToPrompt
from magicmix_core.steering import Drawing, Source

WIDTH = 5
SIZE = (2, 3)
DRAWING = Drawing(SIZE, [0, 1])
ENCODING = torch.arange(WIDTH * 4.0).reshape(1, WIDTH, 4)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def layout(rows=1):
    latent = {"samples": torch.zeros(rows, 4, *SIZE)}
    return RecordedLayout(latent, torch.tensor([1.0, 0.0]), torch.zeros(2, rows, 4, *SIZE), "SD15", [[ENCODING, {}]])


SOURCE = Source(layout(), [ENCODING, {}])
SCALES = torch.linspace(-1, 2, WIDTH, dtype=torch.float64)
MAPPING = torch.eye(WIDTH, dtype=torch.float64).roll(1, 0)


def edit(cross=1.0, itself=1.0, mapping=MAPPING, follows=1.0, **more):
    until = torch.full((WIDTH,), cross, dtype=torch.float64) * follows
    return PromptToPrompt(ENCODING, SOURCE, mapping, until, itself, **more)


def features(part="output", **choice):
    chosen = {"attention_steps": 1.0, "feature_steps": 1.0, "attention_blocks": "", "feature_blocks": ""} | choice
    return follow(Structure(part, 3, frozenset({1, 2}), "1-2", "1"), layout(), **chosen)


def begun(*ways, width=WIDTH, drawing=DRAWING):
    return [way.begin(0, width, drawing) for way in ways]


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)
