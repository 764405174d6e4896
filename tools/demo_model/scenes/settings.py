"""Reads scenes.toml."""

import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent


def read_scenes(smoke=False):
    """scenes.toml as nested dicts; with `smoke`, the values of its [smoke] tables replace the real ones."""
    config = tomllib.loads((HERE / "scenes.toml").read_text())
    reduced = config.pop("smoke", {})
    if smoke:
        for section, values in reduced.items():
            config[section].update(values)
    return config
