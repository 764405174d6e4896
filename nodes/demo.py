"""A checkpoint and pictures that come with the pack, so that everything can be tried at once."""

from pathlib import Path

import numpy as np
import torch
from comfy_api.latest import io, ui
from PIL import Image

from .inputs import checked

FOLDER = Path(__file__).parents[1] / "demo_model"
SAMPLES = {file.stem.replace("_", " "): file for kind in ("layouts", "scenes") for file in sorted((FOLDER / kind).glob("*.png"))}
"""Name -> file of the pictures that come with the pack: things alone, then scenes and a sketch."""


class MagicMixDemoCheckpoint(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MagicMixDemoCheckpoint",
            display_name="Load MagicMix Demo Checkpoint",
            category="MagicMix",
            description="Loads one of the two small models that come with the pack: emoji, alone or in scenes; fast on any computer.",
            inputs=[
                io.Combo.Input(
                    "network",
                    options=["unet", "transformer"],
                    default="unet",
                    optional=True,
                    tooltip="unet: a model of the Stable Diffusion 1.x family; it draws scenes of 160 x 160. transformer: one of the Stable Diffusion 3 family, where text and picture attend jointly; it draws one thing at a time, 128 x 128. Each has its own clip; they share the vae.",
                )
            ],
            outputs=[
                io.Model.Output("model", display_name="model", tooltip="The denoising model. Guidance of 3 to 4 suits it."),
                io.Clip.Output(
                    "clip",
                    display_name="clip",
                    tooltip="The text encoder. It knows the things, places and colours listed on the help page.",
                ),
                io.Vae.Output("vae", display_name="vae", tooltip="The autoencoder, for pictures around 160 x 160."),
            ],
        )

    @classmethod
    @checked
    def execute(cls, network: str = "unet") -> io.NodeOutput:
        from ..demo_model.loader import load_demo_checkpoint

        return io.NodeOutput(*load_demo_checkpoint(network=network))


class MagicMixSamplePicture(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MagicMixSamplePicture",
            display_name="MagicMix Sample Picture",
            category="MagicMix",
            description="A picture that comes with the pack, to try a graph with. Put Load Image in its place for one of your own.",
            inputs=[
                io.Combo.Input(
                    "picture", options=list(SAMPLES), default="pumpkin", tooltip="What it shows. The node shows it too, once it has run."
                )
            ],
            outputs=[io.Image.Output("image", display_name="image", tooltip="The picture, 160 x 160.")],
            is_output_node=True,  # so that what it shows comes from the cache too
        )

    @classmethod
    @checked
    def execute(cls, picture: str) -> io.NodeOutput:
        with Image.open(SAMPLES[picture]) as stored:
            pixels = np.asarray(stored.convert("RGB"), dtype=np.float32) / 255
        image = torch.from_numpy(pixels)[None]
        return io.NodeOutput(image, ui=ui.PreviewImage(image, cls=cls))
