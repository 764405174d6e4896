"""Puts the host before the pack on the import path: both have a `nodes`, and the host's must be found first.

And says which tests share what is slow to make.
"""

import os
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parent
PACK = TESTS.parent

sys.path += [str(PACK), *(str(PACK / folder) for folder in ("tools", "tools/fuzz", "tools/soak", "tests", "api_examples"))]
# Before an installed one; studies run in processes of their own too, Ray's among them.
sys.path.insert(0, str(PACK / "studies"))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PACK / "studies"), os.environ.get("PYTHONPATH")]))
torch.set_num_threads(1)  # the test models are too small to share out
# How long examples take to draw depends on what else the machine does.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

SHARED = ("server", "browser", "studies")
"""Folders whose tests share what is slow to start: all of one run in one process."""
APART = ("server/test_fuzz.py", "server/test_package.py", "server/test_soak.py")
"""But for these, which start servers of their own."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Sends tests to processes by file, those of a shared folder together."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFolder(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            folder = file.split("/")[1]
            return folder if folder in SHARED and not file.endswith(APART) else file

    return ByFolder(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Tests of shared folders begin first, as they take longest."""
    items.sort(key=lambda item: item.path.relative_to(TESTS).parts[0] not in SHARED)
