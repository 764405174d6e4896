"""A test-only node that looks at the server from within: its memory, and how many objects of the pack's own classes are alive."""

import gc
import json
from collections import Counter

import psutil


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
        alive = Counter(type(each).__qualname__ for each in gc.get_objects() if "magicmix" in str(type(each).__module__))
        return {"ui": {"text": [json.dumps({"alive": alive, "resident": psutil.Process().memory_info().rss})]}}


NODE_CLASS_MAPPINGS = {"CountAlive": CountAlive}
