"""For bench/study_order.py: the demo checkpoint as if it were several."""

import nodes


class DemoCheckpointCopy:
    """Loads the demo checkpoint anew for each `copy`."""

    RETURN_TYPES = ("MODEL", "CLIP", "VAE")
    FUNCTION = "load"
    CATEGORY = "bench"

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802 (the host's name)
        return {"required": {"copy": ("INT", {"default": 0})}}

    def load(self, copy):
        return nodes.NODE_CLASS_MAPPINGS["MagicMixDemoCheckpoint"].execute().args


NODE_CLASS_MAPPINGS = {"DemoCheckpointCopy": DemoCheckpointCopy}
