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
            description="Loads the tiny SD1.x-type model that comes with the pack: emoji only, fast on any computer.",
            inputs=[],
            outputs=[
                io.Model.Output("model", display_name="model", tooltip="The denoising model. Guidance of 3 to 4 suits it."),
                io.Clip.Output("clip", display_name="clip", tooltip="The text encoder. It knows the 66 concepts listed on the help page."),
                io.Vae.Output("vae", display_name="vae", tooltip="The autoencoder, for pictures around 128 x 128."),
            ],
        )

    @classmethod
    @checked
    def execute(cls) -> io.NodeOutput:
        from ..demo_model.loader import load_demo_checkpoint

        return io.NodeOutput(*load_demo_checkpoint())
