"""A checkpoint that comes with the pack, so that everything can be tried at once."""

from comfy_api.latest import io

from .inputs import checked


class MagicMixDemoCheckpoint(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MagicMixDemoCheckpoint",
            display_name="Load MagicMix Demo Checkpoint",
            category="MagicMix",
            description="Loads one of the two tiny models that come with the pack: emoji only, fast on any computer.",
            inputs=[
                io.Combo.Input(
                    "network",
                    options=["unet", "transformer"],
                    default="unet",
                    optional=True,
                    tooltip="unet: a model of the Stable Diffusion 1.x family. transformer: one of the Stable Diffusion 3 family, where text and picture attend jointly. Both know the same words and share clip and vae.",
                )
            ],
            outputs=[
                io.Model.Output("model", display_name="model", tooltip="The denoising model. Guidance of 3 to 4 suits it."),
                io.Clip.Output("clip", display_name="clip", tooltip="The text encoder. It knows the 66 concepts listed on the help page."),
                io.Vae.Output("vae", display_name="vae", tooltip="The autoencoder, for pictures around 128 x 128."),
            ],
        )

    @classmethod
    @checked
    def execute(cls, network: str = "unet") -> io.NodeOutput:
        from ..demo_model.loader import load_demo_checkpoint

        return io.NodeOutput(*load_demo_checkpoint(network=network))
