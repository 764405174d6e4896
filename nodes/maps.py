"""Where words are in the picture: recorded in any sampler's run, then drawn over the picture."""

import torch
from comfy_api.latest import io, ui
from PIL import ImageColor

from ..magicmix_core.checks import check_finite
from ..magicmix_core.map_recording import RESOLUTIONS, Recording, record_concepts, record_words
from ..magicmix_core.maps import soft_masks
from .host.graph import place_of
from .host.prompts import read_prompt
from .host.steered_run import steer
from .host.which_run import maps_of_pictures
from .inputs import checked
from .overlay import INFERNO, draw_overlay
from .sockets import clip_input

Maps = io.Custom("MAGICMIX_MAPS")
MOST_PLACES = 1 << 17
"""The page is told of no more places of maps than these."""


class CrossAttnRecord(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CrossAttnRecord",
            display_name="Record Cross-Attn Maps (MagicMix)",
            category="MagicMix",
            description="Records, while any sampler runs, where the words of a prompt are in the picture.",
            inputs=[
                io.Model.Input("model", tooltip="The model to watch. Connect the output model to one sampler."),
                clip_input(),
                io.String.Input(
                    "text",
                    multiline=True,
                    dynamic_prompts=True,
                    tooltip="The prompt that the sampler draws, word for word, through the same text encoder.",
                ),
                io.String.Input("words", default="", tooltip="Words of the prompt to watch, separated by commas. Empty: every word of it."),
                io.Combo.Input(
                    "resolution",
                    options=list(RESOLUTIONS),
                    default="16",
                    tooltip="Places along the side of a square map: 16 tells things apart best, 32 and 64 are finer and noisier. The nearest that the model has is taken.",
                ),
                io.String.Input(
                    "concepts",
                    default="",
                    optional=True,
                    tooltip="Instead of words of the prompt: any two words or more, separated by commas, such as dog, grass, sky. Each place of the picture is shared out among them. Takes one more row in half of the model calls.",
                ),
            ],
            outputs=[
                io.Model.Output("watched_model", display_name="model", tooltip="The model, watched. What it draws does not change."),
                Maps.Output("recording", display_name="recording", tooltip="The maps of each run, for Cross-Attn Maps."),
            ],
        )

    @classmethod
    @checked
    def execute(cls, model, clip, text: str, words: str, resolution: str, concepts: str = "") -> io.NodeOutput:
        prompt, places = read_prompt(clip, text), int(resolution) ** 2
        others = [
            read_prompt(clip, concept, "concepts")
            for concept in dict.fromkeys(map(str.strip, concepts.replace("\n", ",").split(",")))
            if concept
        ]
        if others and words.strip():
            raise ValueError("words must be empty where concepts are given: either words of the prompt are recorded, or concepts")
        recording = record_concepts(prompt, others, places) if others else record_words(prompt, words, places)
        return io.NodeOutput(steer(model, recording), recording)


class CrossAttnMaps(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CrossAttnMaps",
            display_name="Cross-Attn Maps (MagicMix)",
            category="MagicMix",
            description="Shows where each word is in the picture: one picture for each word, averaged over steps and layers.",
            inputs=[
                Maps.Input("recording", tooltip="From Record Cross-Attn Maps, whose model has drawn the pictures."),
                io.Image.Input("images", tooltip="The pictures of a run of that model, decoded: a batch of as many as were sampled."),
                io.Float.Input(
                    "opacity",
                    default=0.7,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How strongly the map covers the picture: 0 = the picture in grey, 1 = the map alone.",
                ),
                io.Boolean.Input("legend", default=True, tooltip="Write the word and the scale below each picture."),
                io.Latent.Input(
                    "latent",
                    optional=True,
                    tooltip="The sampler's latent that the pictures were decoded from. Only needed where the graph alone does not tell which run drew them, as behind a node that sorts or merges pictures.",
                ),
                io.Float.Input(
                    "threshold",
                    default=0.3,
                    min=0.0,
                    max=0.95,
                    step=0.05,
                    optional=True,
                    tooltip="For the masks: how strong the map must be at a place, as a share of its strongest, for the word to be there. Higher = a smaller mask.",
                ),
                io.Int.Input(
                    "soft_edge",
                    default=0,
                    min=0,
                    max=512,
                    optional=True,
                    tooltip="For the masks: over how many pixels their edges fade. 0 = hard edges.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    "overlays", display_name="image", tooltip="A picture for each word, for the first of the batch, then for the next."
                ),
                io.Mask.Output(
                    "masks",
                    display_name="mask",
                    tooltip="Where each word is, white, of the pictures' size and in the same order: for a nu map, an inpaint mask or a conditioning mask. Record one word to get its mask alone.",
                ),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt],
        )

    @classmethod
    @checked
    def execute(
        cls,
        recording: Recording,
        images: torch.Tensor,
        opacity: float,
        legend: bool,
        latent: dict | None = None,
        threshold: float = 0.3,
        soft_edge: int = 0,
    ) -> io.NodeOutput:
        maps = recording.maps_of_latents(latent["samples"]) if latent else maps_of_pictures(recording, *place_of(cls))
        check_finite("recording", maps)
        if len(maps) != len(images):
            raise ValueError(f"images must be the pictures of the recorded run, {len(maps)}; got {len(images)}")
        overlays = [
            draw_overlay(picture, heat, word, opacity, legend)
            for picture, of_picture in zip(images, maps, strict=True)
            for word, heat in zip(recording.words, of_picture, strict=True)
        ]
        looked_at = getattr(cls, "hidden", None) is not None  # by a page, where the host executes a graph
        shown = {"magicmix_maps": [_for_the_page(cls, images, maps, recording.words)]} if looked_at else None
        masks = soft_masks(maps.flatten(0, 1), *images.shape[1:3], threshold, soft_edge)
        return io.NodeOutput(torch.stack(overlays), masks, ui=shown)


def _for_the_page(node, images: torch.Tensor, maps: torch.Tensor, words: list[str]) -> dict:
    """What the page lays over each other while a word is pointed at: as many pictures and words as a message may well carry.

    `heat` holds for each picture and word a number for each place, from 0 to 255 for the map's highest.
    """
    words = words[: max(1, MOST_PLACES // maps[0, 0].numel())]
    rows = maps[: max(1, MOST_PLACES // (maps[0, 0].numel() * len(words))), : len(words)]
    highest = rows.amax((-2, -1), keepdim=True)
    levels = (rows / highest.where(highest > 0, 1) * 255).round().clamp(0, 255).byte()
    return {
        "pictures": ui.PreviewImage(images[: len(rows), ..., :3].expand(-1, -1, -1, 3), cls=node).as_dict()["images"],
        "words": words,
        "size": list(rows.shape[-2:]),
        "heat": levels.flatten(2).tolist(),
        "colours": [ImageColor.getrgb(stop) for stop in INFERNO],
    }
