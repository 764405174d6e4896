"""Test-only nodes that go wrong when they are told to: each fault once, where the folder in FAULTS_FOLDER has a file of its name.

The file of a freeze may say how many seconds it lasts. One server refuses what is `picky`, as often as it comes; another one draws it.
"""

import os
import time
from pathlib import Path

import folder_paths
import numpy as np
from comfy.model_management import throw_exception_if_processing_interrupted
from PIL import Image


def mark_of(fault: str, number: int) -> Path:
    return Path(os.environ.get("FAULTS_FOLDER") or "/nowhere") / f"{fault}-{number}"


def due(fault: str, number: int) -> str | None:
    """What the mark says if this fault is to happen now, None otherwise; it will not happen again."""
    mark = mark_of(fault, number)
    try:
        said = mark.read_text()
        mark.unlink()
    except OSError:
        return None
    return said


def refused_here(number: int) -> bool:
    """The first server to see a picky number refuses it from then on."""
    mark, own = mark_of("picky", number), str(os.getpid())
    if not mark.exists():
        return False
    if (refuser := mark.read_text() or own) != own:
        mark.unlink()
        return False
    mark.write_text(refuser)
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
        if (seconds := due("freeze", number)) is not None:
            time.sleep(float(seconds or 3600))  # hears no interrupt
        if number == 13:
            raise ValueError("thirteen cannot be drawn")
        if refused_here(number):
            raise ValueError("not on this server")
        if due("hang", number) is not None:
            while True:
                time.sleep(0.05)
                throw_exception_if_processing_interrupted()
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
        if due("truncate", number) is not None:
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        return {"ui": {"images": [{"filename": name, "subfolder": "", "type": "output"}]}}


NODE_CLASS_MAPPINGS = {"Faulty": Faulty, "SaveTruncated": SaveTruncated}
