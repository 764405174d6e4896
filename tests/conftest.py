"""Puts the host before the pack on the import path: both have a `nodes`, and the host's must be found first."""

import sys
from pathlib import Path

import torch

PACK = Path(__file__).parent.parent

sys.path += [str(PACK), *(str(PACK / folder) for folder in ("tools", "tools/fuzz", "tools/soak", "tests", "api_examples"))]
torch.set_num_threads(1)  # the test models are too small to share out
