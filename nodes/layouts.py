"""Three ways to a layout: an image under noise, a prompt, an image followed back to its noise."""

from comfy_api.latest import io

from ..magicmix_core.layout import RecordedLayout
from ..magicmix_core.prompt_to_prompt import READS
from ..magicmix_core.steering import Reads
from .host.layouts import NOISES, PictureLayout
from .host.networks import network_of
from .host.node_text import tell
from .host.running import invert_image, keep_for_edits, record_prompt
from .host.samplers import plain_sampler, sigmas_of
from .inputs import checked
from .sockets import Layout, cfg_input, sampler_input, scheduler_input, seed_input, steps_input

KEEP = ("off", "words", "structure", "both")


def _keep_input() -> io.Input:
    return io.Combo.Input(
        "keep",
        options=list(KEEP),
        default="off",
        optional=True,
        tooltip="Keep in memory what edits read of the layout, so that each edit of it runs as fast as a plain run: words for Prompt-to-Prompt, structure for Plug-and-Play. Costs one more model call a step, once, and the memory that is then shown here.",
    )


def _kept(node, model, layout: RecordedLayout, keep: str, said: tuple[str, ...] = ()) -> RecordedLayout:
    """The layout with what `keep` says is kept of it; says on the node how much memory that takes, below what else is `said`."""
    if keep != "off":
        words = READS if keep in ("words", "both") else Reads()
        structure = network_of(model).structure.reads if keep in ("structure", "both") else Reads()
        layout = keep_for_edits(model, layout, words.joined(structure))
        said = (*said, f"kept for edits: {layout.kept.mebibytes:.0f} MiB")
    if said:
        tell(node, "\n".join(said))
    return layout


def _layout_output() -> io.Output:
    return Layout.Output("layout", display_name="layout", tooltip="The layout's path over the noise levels, for a MagicMix sampler.")


class MagicMixLayoutNoise(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MagicMixLayoutNoise",
            display_name="MagicMix Layout Noise",
            category="MagicMix",
            description="Takes an image's latent as the layout: the mix gets its shapes, colours and places from it.",
            inputs=[
                io.Latent.Input(
                    "latent",
                    tooltip="The layout image, encoded with the VAE that belongs to the model. A batch makes a batch; its noise mask, if any, limits what is repainted.",
                ),
                seed_input("Seed of the noise that is laid over the layout."),
                io.Combo.Input(
                    "noise",
                    options=list(NOISES),
                    default="shared",
                    tooltip="shared: one noise at every step, the clean choice. independent: fresh noise at every step, looser and softer.",
                ),
            ],
            outputs=[_layout_output()],
        )

    @classmethod
    @checked
    def execute(cls, latent: dict, seed: int, noise: str) -> io.NodeOutput:
        return io.NodeOutput(PictureLayout(latent, seed, noise))


class MagicMixLayoutFromPrompt(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MagicMixLayoutFromPrompt",
            display_name="MagicMix Layout From Prompt",
            category="MagicMix",
            description="Samples a prompt as the core KSampler does and keeps the way it took as a layout: text mixed with text.",
            inputs=[
                io.Model.Input(
                    "model", tooltip="The model that draws the layout; the one that draws the content later must be of its family."
                ),
                io.Conditioning.Input("positive", tooltip="The layout: what gives the mix its shapes, colours and places."),
                io.Conditioning.Input("negative", tooltip="What the layout should not show; an empty prompt is fine."),
                io.Latent.Input("latent", tooltip="Size and batch of the pictures, from Empty Latent Image."),
                seed_input("Seed of the noise that the layout starts from."),
                steps_input("Sampling steps. The same steps and scheduler as in the mix let it read the path without interpolating."),
                cfg_input(),
                sampler_input("Any sampler works: the path is what it passes through."),
                scheduler_input(),
                _keep_input(),
            ],
            outputs=[
                _layout_output(),
                io.Latent.Output(
                    "sampled_latent", display_name="latent", tooltip="The layout's own picture: what the core KSampler would give."
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    @checked
    def execute(cls, model, positive, negative, latent, seed, steps, cfg, sampler_name, scheduler, keep="off") -> io.NodeOutput:
        sigmas = sigmas_of(model, sampler_name, scheduler, steps)
        layout = record_prompt(model, plain_sampler(sampler_name), sigmas, seed, cfg, positive, negative, latent)
        return io.NodeOutput(_kept(cls, model, layout, keep), layout.latent)


class MagicMixLayoutInversion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MagicMixLayoutInversion",
            display_name="MagicMix Layout Inversion",
            category="MagicMix",
            description="Follows a picture back to the noise that would become it (DDIM inversion) and keeps that way as a layout.",
            inputs=[
                io.Model.Input(
                    "model", tooltip="The model to follow the picture with; the one that draws the content later must be of its family."
                ),
                io.Conditioning.Input("positive", tooltip="A prompt that describes the picture; an empty one is fine too."),
                io.Latent.Input("latent", tooltip="The picture, encoded with the VAE that belongs to the model."),
                steps_input("Steps upwards. More steps follow the picture more exactly."),
                scheduler_input(),
                io.Int.Input(
                    "refinements",
                    default=0,
                    min=0,
                    max=20,
                    tooltip="How often each step is corrected, at one model call each: more gives the picture back more exactly.",
                ),
                _keep_input(),
                io.Float.Input(
                    "k_max",
                    default=1.0,
                    min=0.01,
                    max=1.0,
                    step=0.01,
                    optional=True,
                    tooltip="How far to follow, as a fraction of the training timesteps: 1 = up to pure noise. A sampler that starts at a lower k_max needs no more, and less costs less: 0.6 takes three calls of five. Samplers must then start there or below, with the same steps and scheduler.",
                ),
            ],
            outputs=[
                _layout_output(),
                io.Latent.Output(
                    "noise_latent",
                    display_name="latent",
                    tooltip="The noise at the top: sampled from with the same prompt at cfg 1, it becomes the picture again. With k_max below 1 it is the picture under a part of its noise; the node then says at which step a sampler goes on from it.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    @checked
    def execute(cls, model, positive, latent, steps, scheduler, refinements, keep="off", k_max=1.0) -> io.NodeOutput:
        sigmas = sigmas_of(model, "euler", scheduler, steps)
        layout, noise = invert_image(model, sigmas, refinements, positive, latent, k_max)
        whole, gone = len(sigmas) - 1, len(layout.sigmas) - 1
        said = f"followed up to k_max {k_max:g}, {gone} of {whole} steps: KSampler (Advanced) goes on from latent at start_at_step {whole - gone}, without added noise"
        return io.NodeOutput(_kept(cls, model, layout, keep, (said,) if k_max < 1 else ()), noise)
