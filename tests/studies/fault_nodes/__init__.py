"""Test-only nodes that go wrong when they are told to: each fault once, where the folder in FAULTS_FOLDER has a file of its name."""

import os
import signal
import time
from pathlib import Path

import folder_paths
import numpy as np
from comfy.model_management import throw_exception_if_processing_interrupted
from PIL import Image


def due(fault: str, number: int) -> bool:
    """Whether this fault is to happen now; it will not happen again."""
    folder = os.environ.get("FAULTS_FOLDER")
    mark = Path(folder or "/nowhere") / f"{fault}-{number}"
    try:
        mark.unlink()
    except OSError:
        return False
    return True


class Faulty:
    """Passes a picture on, after a pause of FAULTS_PAUSE seconds, unless something is due. `number` 13 fails always."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "execute"
    CATEGORY = "test"

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802 (the host's name)
        return {"required": {"image": ("IMAGE",), "number": ("INT", {"default": 0, "min": 0, "max": 1000})}}

    def execute(self, image, number):
        time.sleep(float(os.environ.get("FAULTS_PAUSE", 0)))
        if number == 13:
            raise ValueError("thirteen cannot be drawn")
        if due("hang", number):
            while True:
                time.sleep(0.05)
                throw_exception_if_processing_interrupted()
        if due("freeze", number):
            time.sleep(3600)  # hears no interrupt
        if due("die", number):
            os.kill(os.getpid(), signal.SIGKILL)
        return (image,)


class SaveTruncated:
    """Saves a picture; when that is due, only half of it."""

    RETURN_TYPES = ()
    FUNCTION = "execute"
    CATEGORY = "test"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802 (the host's name)
        return {"required": {"image": ("IMAGE",), "number": ("INT", {"default": 0})}}

    def execute(self, image, number):
        name = f"truncated-{number}.png"
        file = Path(folder_paths.get_output_directory()) / name
        Image.fromarray((image[0].numpy() * 255).astype(np.uint8)).save(file)
        if due("truncate", number):
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        return {"ui": {"images": [{"filename": name, "subfolder": "", "type": "output"}]}}


NODE_CLASS_MAPPINGS = {"Faulty": Faulty, "SaveTruncated": SaveTruncated}
