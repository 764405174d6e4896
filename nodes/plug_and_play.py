"""Plug-and-Play (arXiv 2211.12572): draw anything over a layout's structure."""

from comfy_api.latest import io

from ..magicmix_core.plug_and_play import follow
from .host.networks import network_of
from .host.steered_run import steer
from .inputs import checked
from .sockets import Layout, model_to_patch_input, share_of_steps_input


class PlugAndPlayFeatures(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PlugAndPlayFeatures",
            display_name="Plug-and-Play Features (MagicMix)",
            category="MagicMix",
            description="Gives a run the layout's own features: its objects keep their place, pose and outline while the prompt draws them anew.",
            inputs=[
                model_to_patch_input(),
                Layout.Input(
                    "layout",
                    tooltip="The picture whose structure stays, from MagicMix Layout From Prompt or Layout Inversion. Sample from its start: with the same seed, or in the MagicMix sampler at k_max 1.",
                ),
                share_of_steps_input(
                    "attention_steps",
                    0.5,
                    "Share of the denoising, from pure noise on, in which the picture takes the layout's self-attention. More keeps pose and outline; less lets shapes change. 0 = off.",
                ),
                share_of_steps_input(
                    "feature_steps",
                    0.8,
                    "Share of the denoising, from pure noise on, in which the picture takes the layout's inner features, which hold its structure. More keeps the structure; less lets shapes change. 0 = off. Must be 0 for models without a UNet (Flux, SD3, Qwen-Image, Z-Image and others).",
                ),
                io.String.Input(
                    "attention_blocks",
                    default="",
                    optional=True,
                    tooltip="Blocks whose self-attention follows the layout: numbers and ranges, as in 4-11 or 4, 6-8. Empty = a good choice: the paper's decoder blocks of a UNet (4-11, or 1-8 for SDXL), the vital ones of Flux, all of other models.",
                ),
                io.String.Input(
                    "feature_blocks",
                    default="",
                    optional=True,
                    tooltip="Decoder blocks whose features are the layout's: numbers and ranges. Empty = as in the paper: 4, or 1 for SDXL.",
                ),
            ],
            outputs=[
                io.Model.Output(
                    "followed_model", display_name="model", tooltip="The model that follows the layout. Use it with any prompt."
                )
            ],
        )

    @classmethod
    @checked
    def execute(
        cls, model, layout, attention_steps: float, feature_steps: float, attention_blocks: str = "", feature_blocks: str = ""
    ) -> io.NodeOutput:
        structure = network_of(model).structure
        return io.NodeOutput(steer(model, follow(structure, layout, attention_steps, feature_steps, attention_blocks, feature_blocks)))
