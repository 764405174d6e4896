"""The list of nodes that the host registers."""

from comfy_api.latest import ComfyExtension, io

from .balance import MagicMixBalance
from .combined_layouts import MagicMixLayoutBlend, MagicMixLayoutTransform
from .demo import MagicMixDemoCheckpoint, MagicMixSamplePicture
from .flow_edit import MagicMixFlowEdit
from .layouts import MagicMixLayoutFromPrompt, MagicMixLayoutInversion, MagicMixLayoutNoise
from .maps import CrossAttnMaps, CrossAttnRecord
from .mixing import MagicMixKSampler, MagicMixSampler
from .one_step import MagicMix
from .plug_and_play import PlugAndPlayFeatures
from .prompt_to_prompt import PromptToPrompt
from .prompts import CrossAttnReweight, PromptTokens
from .sweeps import ContactSheet, ValueGrid
from .word_nus import MagicMixNuWords


class MagicMixExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [
            MagicMix,
            MagicMixLayoutNoise,
            MagicMixLayoutFromPrompt,
            MagicMixLayoutInversion,
            MagicMixLayoutBlend,
            MagicMixLayoutTransform,
            MagicMixKSampler,
            MagicMixSampler,
            MagicMixBalance,
            MagicMixNuWords,
            MagicMixFlowEdit,
            CrossAttnReweight,
            PromptToPrompt,
            PlugAndPlayFeatures,
            CrossAttnRecord,
            CrossAttnMaps,
            PromptTokens,
            ValueGrid,
            ContactSheet,
            MagicMixDemoCheckpoint,
            MagicMixSamplePicture,
        ]
