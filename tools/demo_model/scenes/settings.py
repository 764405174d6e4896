"""Reads scenes.toml."""

from pathlib import Path

from settings import read_config


def read_scenes(smoke=False):
    """scenes.toml as `settings.read_config` reads config.toml."""
    return read_config(smoke, Path(__file__).with_name("scenes.toml"))
