"""Puts the host before the pack on the import path: both have a `nodes`, and the host's must be found first."""

import sys
from pathlib import Path

import torch
from hypothesis import HealthCheck, settings

PACK = Path(__file__).parent.parent

sys.path += [str(PACK), *(str(PACK / folder) for folder in ("tools", "tools/fuzz", "tools/soak", "tests", "api_examples"))]
torch.set_num_threads(1)  # the test models are too small to share out
# How long examples take to draw depends on what else the machine does.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")
