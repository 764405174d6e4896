"""Where a training of scenes begins when there is no saved state: the newest exported weights in git, else the first demo model."""

import argparse
import os
from pathlib import Path

import exported
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
    """exported.read_parts(), with the names that the networks themselves give their weights."""
    config, parts = exported.read_parts(path)
    parts["model"] = {name.removeprefix("diffusion_model."): value for name, value in parts["model"].items()}
    text = parts["cond_stage_model"]
    text["token_rows.weight"] = text.pop("token_rows")
    return config, parts
