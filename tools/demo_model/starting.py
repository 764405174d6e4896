"""Where a training of scenes begins when there is no saved state: the newest exported weights in git, else the first demo model."""

from pathlib import Path

from shipped import SHIPPED

WEIGHTS = Path(__file__).resolve().parent / "scenes" / "weights.safetensors"
"""Committed now and then, so that a training goes on where its saved state is gone."""
FROM = "--from", {"type": Path, "help": "begin from this exported file, whatever state was saved"}


def newest(smoke=False):
    """The smoke test begins from the first model: those weights have seen more pictures than it has to draw, and it would end at once."""
    return WEIGHTS if WEIGHTS.exists() and not smoke else SHIPPED
