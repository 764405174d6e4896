"""A test-only node that looks at the server from within: its memory, and how many objects of the pack's own classes are alive."""

import ctypes
import gc
import json
from collections import Counter

import psutil


class MallInfo(ctypes.Structure):
    """What glibc's `mallinfo2` tells of its blocks, in bytes."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    )


def bytes_in_use() -> int:
    """What glibc has given out and nobody has given back, in its heaps and in mappings of their own."""
    mallinfo = ctypes.CDLL("libc.so.6").mallinfo2
    mallinfo.restype = MallInfo
    told = mallinfo()
    return told.uordblks + told.hblkhd


class CountAlive:
    """Takes a model along, so that the checkpoint stays in the host's cache while everything else leaves it."""

    RETURN_TYPES = ()
    FUNCTION = "execute"
    CATEGORY = "test"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802 (the host's name)
        return {"required": {"model": ("MODEL",), "number": ("INT", {"default": 0})}}

    def execute(self, model, number):
        gc.collect()
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        in_use = bytes_in_use()
        alive = Counter(type(each).__qualname__ for each in gc.get_objects() if "magicmix" in str(type(each).__module__))
        return {"ui": {"text": [json.dumps({"alive": alive, "in use": in_use, "resident": psutil.Process().memory_info().rss})]}}


NODE_CLASS_MAPPINGS = {"CountAlive": CountAlive}
