"""FlowEdit (arXiv 2412.08629): a picture edited by two prompts, without a layout."""

from comfy_api.latest import io

from ..magicmix_core.checks import check_window
from .host.flow_editing import edit_by_flow
from .host.samplers import SCHEDULERS
from .inputs import checked
from .sockets import fraction_input, guidance_input, seed_input, steps_input


class MagicMixFlowEdit(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MagicMixFlowEdit",
            display_name="MagicMix FlowEdit",
            category="MagicMix",
            description="Edits a picture by what two prompts say of it, without inverting it: for flow-matching models (SD3, Flux, Qwen-Image, Wan and others).",
            inputs=[
                io.Model.Input(
                    "model", tooltip="A flow-matching model: SD3, Flux, Qwen-Image, Lumina 2, Wan and others. Others are refused."
                ),
                io.Conditioning.Input("source", tooltip="A prompt that describes the picture as it is."),
                io.Conditioning.Input("target", tooltip="The same prompt with what shall change."),
                io.Conditioning.Input(
                    "negative", tooltip="What neither shall show; an empty prompt is fine. Where both cfg are 1 it is not asked."
                ),
                io.Latent.Input(
                    "latent",
                    tooltip="The picture, encoded with the VAE that belongs to the model. A noise mask, if any, limits what is changed.",
                ),
                seed_input("Seed of the noises that the picture is seen under, a fresh one at each step."),
                steps_input("Steps of the whole schedule, as in the paper; only those below k_max are run: 33 of 50 at 0.66."),
                guidance_input(
                    "source_cfg", 3.5, "Guidance scale of the source prompt: 3.5 for SD3. For Flux 1, with 1.5 in Flux Guidance."
                ),
                guidance_input(
                    "target_cfg",
                    13.5,
                    "Guidance scale of the target prompt: 13.5 for SD3, more changes more. For Flux 1, with 5.5 in Flux Guidance.",
                ),
                io.Combo.Input(
                    "scheduler",
                    options=list(SCHEDULERS),
                    default="simple",
                    tooltip="How the steps are spread over the noise levels; simple spreads them evenly over the model's own times, as the paper does.",
                ),
                fraction_input(
                    "k_max",
                    0.66,
                    "Where the edit begins, as a fraction of the training timesteps: higher lets shapes change, lower keeps more of the picture. 0.66 for SD3, 0.86 for Flux.",
                ),
                fraction_input(
                    "k_min",
                    0.0,
                    "Where the edit goes over into drawing the target alone, as a fraction of the training timesteps: 0 = nowhere. Higher gives a new style more room. Must not be above k_max.",
                ),
                io.Int.Input(
                    "averages",
                    default=1,
                    min=1,
                    max=100,
                    optional=True,
                    tooltip="Over how many noises each step is averaged: more is steadier, at two model calls each.",
                ),
            ],
            outputs=[io.Latent.Output("edited_latent", display_name="latent", tooltip="The edited picture as a latent.")],
        )

    @classmethod
    @checked
    def execute(
        cls,
        model,
        source,
        target,
        negative,
        latent,
        seed,
        steps,
        source_cfg,
        target_cfg,
        scheduler,
        k_max,
        k_min,
        averages=1,
    ) -> io.NodeOutput:
        check_window(k_max, k_min)
        prompts = {"source": source, "target": target, "negative": negative}
        cfgs = {"source": source_cfg, "target": target_cfg}
        return io.NodeOutput(edit_by_flow(model, prompts, cfgs, latent, seed, steps, scheduler, k_max, k_min, averages))
