"""A nu for each word, found in the picture while it is drawn."""

from comfy_api.latest import io

from ..magicmix_core.word_nus import nus_of_words
from .host.prompts import read_prompt
from .host.steered_run import steer
from .inputs import checked
from .sockets import clip_input


class MagicMixNuWords(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MagicMixNuWords",
            display_name="MagicMix Nu by Words",
            category="MagicMix",
            description="Gives words of the content prompt a nu of their own: it counts where the word is in the picture, found anew in each step.",
            inputs=[
                io.Model.Input("model", tooltip="The model that draws the content. Take the model that comes out to a MagicMix sampler."),
                clip_input(),
                io.String.Input(
                    "text",
                    multiline=True,
                    dynamic_prompts=True,
                    tooltip="The content prompt, word for word, through the same text encoder.",
                ),
                io.String.Input(
                    "nu_words",
                    default="",
                    tooltip="Words of the prompt with their nu, as in cat:0.9, grass:0.2: more of the prompt where the cat is, more of the layout where the grass is. A word alone has 1. Everywhere else the sampler's nu holds.",
                ),
            ],
            outputs=[io.Model.Output("worded_model", display_name="model", tooltip="The model, for a MagicMix sampler.")],
        )

    @classmethod
    @checked
    def execute(cls, model, clip, text: str, nu_words: str) -> io.NodeOutput:
        return io.NodeOutput(steer(model, nus_of_words(read_prompt(clip, text), nu_words)))
