"""Reads config.toml and concepts.toml and knows where the build folder's files lie."""

import os
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent


def read_config(smoke=False, path=HERE / "config.toml"):
    """config.toml as nested dicts; with `smoke`, the values of its [smoke] tables replace the real ones."""
    config = tomllib.loads(path.read_text())
    reduced = config.pop("smoke", {})
    if smoke:
        for section, values in reduced.items():
            config[section].update(values)
    return config


def read_concepts(more=True):
    """Emoji label -> list of noun phrases, the first one canonical, in the order of concepts.toml; without `more` the trained ones only."""
    tables = tomllib.loads((HERE / "concepts.toml").read_text())
    groups = [*tables["concepts"].values(), *(tables["more"].values() if more else ())]
    return {label: names for group in groups for label, names in group.items()}


def read_uncounted():
    """The noun phrases that take no article."""
    return set(tomllib.loads((HERE / "concepts.toml").read_text())["uncounted"])


def build_folder(smoke=False):
    """The git-ignored folder of data, checkpoints, logs and sheets; made where it is missing."""
    root = os.environ.get("DEMO_MODEL_BUILD") or HERE.parents[1] / "build" / "demo-model"
    folder = Path(root) / "smoke" if smoke else Path(root)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
