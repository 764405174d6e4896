"""The list of nodes that the host registers."""

from comfy_api.latest import ComfyExtension, io

from .demo import MagicMixDemoCheckpoint
from .mixing import MagicMixKSampler, MagicMixLayoutNoise, MagicMixSampler


class MagicMixExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [
            MagicMixLayoutNoise,
            MagicMixKSampler,
            MagicMixSampler,
            MagicMixDemoCheckpoint,
        ]
