"""Puts the host before the pack on the import path: both have a `nodes`, and the host's must be found first.

And says which tests share what is slow to make.
"""

import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parent
PACK = TESTS.parent

sys.path += [str(PACK), *(str(PACK / folder) for folder in ("tools", "tools/fuzz", "tools/soak", "tests", "api_examples"))]
torch.set_num_threads(1)  # the test models are too small to share out
# How long examples take to draw depends on what else the machine does.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")


SHARED = ("server", "browser")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """With `--dist loadgroup`: tests of the server share one process, and so one server, those of the page another; others go by file.

    These two begin first, as they take longest.
    """
    if not getattr(config.option, "loadgroup", False):
        return
    for item in items:
        folder, *file = item.path.relative_to(TESTS).parts
        item.add_marker(pytest.mark.xdist_group(folder if folder in SHARED else "/".join((folder, *file))))
    items.sort(key=lambda item: item.path.relative_to(TESTS).parts[0] not in SHARED)
