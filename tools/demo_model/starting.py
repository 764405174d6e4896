"""Where a training of scenes begins when there is no saved state: the newest exported weights in git, else the first demo model."""

import argparse
import json
import os
from pathlib import Path

from safetensors import safe_open

from precision import pick_device
from workers import launch

WEIGHTS = Path(__file__).resolve().parent / "scenes" / "weights.safetensors"
"""Committed now and then, so that a training goes on where its saved state is gone."""
FIRST = Path(__file__).resolve().parents[2] / "demo_model" / "magicmix-demo.safetensors"


def run_training(train, description):
    """Runs `train(smoke, start)` as the command line says, in as many processes as suit the device; `start` is what --from names, or None."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--smoke", action="store_true", help="a few steps on a few pictures")
    parser.add_argument("--workers", type=int, default=1 if pick_device().type == "cuda" else os.cpu_count(), help="training processes")
    parser.add_argument("--from", dest="start", type=Path, help="begin from this exported file, whatever state was saved")
    arguments = parser.parse_args()
    if not launch(arguments.workers):
        train(arguments.smoke, arguments.start)


def newest():
    return WEIGHTS if WEIGHTS.exists() else FIRST


def read_parts(path):
    """(configuration, {"model", "cond_stage_model", "first_stage_model"} -> weights in single precision) of an exported file."""
    with safe_open(path, "pt") as file:
        config = json.loads(file.metadata()["config"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  the file is no mapping
    parts = {}
    for key, value in tensors.items():
        part, name = key.split(".", 1)
        parts.setdefault(part, {})[name.removeprefix("diffusion_model.")] = value.float() if value.is_floating_point() else value
    text = parts["cond_stage_model"]
    text["token_rows.weight"] = text.pop("token_rows")
    return config, parts
