"""Prompt-to-Prompt (arXiv 2208.01626): change a prompt and keep the picture."""

from comfy_api.latest import io

from ..magicmix_core.prompt_to_prompt import EDITS, edit_prompt
from ..magicmix_core.reweighting import reweight
from .host.carrying import carry
from .host.graph import place_of
from .host.node_text import tell
from .host.prompts import read_prompt
from .host.steered_run import steer
from .host.wiring import half_connected, half_connected_here, unlike_the_layout
from .inputs import checked
from .sockets import Layout, clip_input, model_to_patch_input, share_of_steps_input


class PromptToPrompt(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PromptToPrompt",
            display_name="Prompt-to-Prompt (MagicMix)",
            category="MagicMix",
            description="Draws a changed prompt and keeps the layout's picture: only what the changed words name becomes different.",
            inputs=[
                model_to_patch_input(),
                clip_input(),
                Layout.Input(
                    "layout",
                    tooltip="The picture to change, from MagicMix Layout From Prompt or Layout Inversion. Sample from its start: with the same seed, or in the MagicMix sampler at k_max 1.",
                ),
                io.String.Input(
                    "source_text", multiline=True, dynamic_prompts=True, tooltip="The prompt that describes the layout's picture."
                ),
                io.String.Input("target_text", multiline=True, dynamic_prompts=True, tooltip="The changed prompt."),
                io.Combo.Input(
                    "edit",
                    options=list(EDITS),
                    default="auto",
                    tooltip="swap: words take the place of words. refine: words are added or dropped, the others keep their places. auto: swap if the texts differ in nothing else.",
                ),
                share_of_steps_input(
                    "cross_steps",
                    0.8,
                    "Share of the denoising, from pure noise on, in which each word stays where the layout's word is (cross-attention). Less lets the shape change more.",
                ),
                share_of_steps_input(
                    "self_steps",
                    0.4,
                    "Share of the denoising, from pure noise on, in which the picture takes the layout's self-attention. More keeps pose and background; less lets the shape change.",
                ),
                io.String.Input(
                    "words",
                    default="",
                    optional=True,
                    tooltip="Words of the changed prompt to make stronger or weaker as well: fluffy:2, grass:-1.",
                ),
                io.String.Input(
                    "local_blend",
                    default="",
                    optional=True,
                    tooltip="Words, of either prompt, whose place in the picture may change; the rest stays as the layout. Needs one of the MagicMix samplers, with k_max 1, k_min 0 and the same layout as here.",
                ),
                io.String.Input(
                    "word_steps",
                    default="",
                    optional=True,
                    tooltip="cross_steps for single words of the changed prompt: lion:0.4, crown:0.",
                ),
                io.Boolean.Input(
                    "make_room",
                    default=False,
                    optional=True,
                    tooltip="Whether new words take attention from the others instead of adding theirs on top. Turn it on for colours and other adjectives that hardly show. Off is as published.",
                ),
            ],
            outputs=[
                io.Model.Output("edited_model", display_name="model", tooltip="The model with this edit. Connect the conditioning too."),
                io.Conditioning.Output("conditioning", display_name="conditioning", tooltip="The changed prompt, with its edit."),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt],
        )

    @classmethod
    def fingerprint_inputs(cls, **inputs) -> str:
        """Another one where the graph connects the outputs otherwise, so that a mistake is said although the inputs are as they were."""
        return half_connected_here()

    @classmethod
    @checked
    def execute(
        cls,
        model,
        clip,
        layout,
        source_text: str,
        target_text: str,
        edit: str,
        cross_steps: float,
        self_steps: float,
        words: str = "",
        local_blend: str = "",
        word_steps: str = "",
        make_room: bool = False,
    ) -> io.NodeOutput:
        source, target = read_prompt(clip, source_text, "source_text"), read_prompt(clip, target_text, "target_text")
        settings = {"word_steps": word_steps, "local_blend": local_blend, "make_room": make_room}
        made, chosen = edit_prompt(source, target, layout, edit, cross_steps, self_steps, **settings)
        ways = (made, reweight(target, words))
        said = [f"edit: {chosen}", *unlike_the_layout(source, layout), *half_connected(*place_of(cls))]
        tell(cls, "\n".join(said), mistaken=len(said) > 1)
        return io.NodeOutput(steer(model, *ways), carry(target.conditioning, *ways))
