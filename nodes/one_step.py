"""A picture and a prompt in, a picture out: the first wish in one node, made of the others."""

from comfy_api.latest import io
from comfy_execution.graph_utils import GraphBuilder

from ..magicmix_core.strength import settings_of
from .host.picture_models import scaled, suited
from .host.prompts import check_readable
from .inputs import checked
from .sockets import seed_input

STEPS = 50


class MagicMix(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MagicMix",
            display_name="MagicMix Picture and Prompt",
            category="MagicMix",
            description="Mixes a picture with a prompt, all in one node: the picture gives shapes, colours and places, the prompt what it becomes.",
            inputs=[
                io.Image.Input(
                    "image",
                    tooltip="The picture to start from. It is scaled to about the size that the model draws best; a batch gives a batch.",
                ),
                io.String.Input("prompt", multiline=True, dynamic_prompts=True, tooltip="What the picture becomes."),
                io.Float.Input(
                    "strength",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="How much the prompt changes: 0 = the picture as it is, 0.5 = a mix of both, 1 = the prompt alone. Things that look less alike need more.",
                ),
                seed_input("Seed of the noise. Another one gives another mix."),
                io.Model.Input(
                    "model",
                    optional=True,
                    tooltip="Stable Diffusion 1.x, 2.x or XL. Without model, clip and vae the small demo model of the pack draws, which knows 66 emoji and scenes of them.",
                ),
                io.Clip.Input("clip", optional=True, tooltip="The text encoder that belongs to the model."),
                io.Vae.Input("vae", optional=True, tooltip="The VAE that belongs to the model."),
            ],
            outputs=[io.Image.Output("mix", display_name="image", tooltip="The mix.")],
            enable_expand=True,
        )

    @classmethod
    @checked
    def execute(cls, image, prompt: str, strength: float, seed: int, model=None, clip=None, vae=None) -> io.NodeOutput:
        given = {"model": model, "clip": clip, "vae": vae}
        missing = [name for name, value in given.items() if value is None]
        if 0 < len(missing) < 3:
            raise ValueError(
                f"model, clip and vae must come together, from one checkpoint, or none of them; {' and '.join(missing)} is missing"
            )
        check_readable(prompt, "prompt")
        suits = suited(model)
        picture = scaled(image, suits)
        if strength == 0:
            return io.NodeOutput(picture)
        graph = GraphBuilder()
        if missing:
            demo = graph.node("MagicMixDemoCheckpoint")
            model, clip, vae = (demo.out(output) for output in range(3))
        positive, negative = (graph.node("CLIPTextEncode", clip=clip, text=text).out(0) for text in (prompt, ""))
        latent = graph.node("VAEEncode", pixels=picture, vae=vae).out(0)
        layout = graph.node("MagicMixLayoutNoise", latent=latent, seed=seed, noise="shared").out(0)
        mix = settings_of(strength, suits.mix)
        sampling = {"seed": seed, "steps": STEPS, "cfg": suits.cfg, "sampler_name": "euler", "scheduler": "ddim_uniform"}
        mixed = graph.node(
            "MagicMixKSampler",
            model=model,
            positive=positive,
            negative=negative,
            layout=layout,
            nu=mix.nu,
            k_max=mix.k_max,
            k_min=mix.k_min,
            **sampling,
        )
        decoded = graph.node("VAEDecode", samples=mixed.out(0), vae=vae)
        return io.NodeOutput(decoded.out(0), expand=graph.finalize())
