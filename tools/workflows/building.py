"""What graphs are built from, in both flavours: for the demo checkpoint and for a Stable Diffusion 1.5 one; and for one of 3.5."""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field

Link = list
LAYOUT, CONTENT, MIX = "Layout", "Content", "Mix"
PARTS = {
    "MagicMixDemoCheckpoint": None,
    "CheckpointLoaderSimple": None,
    **dict.fromkeys(("LoadImage", "ImageScale", "VAEEncode", "EmptyLatentImage"), LAYOUT),
    **dict.fromkeys(("MagicMixLayoutNoise", "MagicMixLayoutFromPrompt", "MagicMixLayoutInversion"), LAYOUT),
    **dict.fromkeys(("MagicMixLayoutBlend", "MagicMixLayoutTransform"), LAYOUT),
    **dict.fromkeys(("CLIPTextEncode", "ConditioningAverage", "PromptTokens", "PreviewAny"), CONTENT),
    **dict.fromkeys(("CrossAttnReweight", "CrossAttnRecord", "PromptToPrompt", "PlugAndPlayFeatures", "MagicMixNuWords"), CONTENT),
}
"""The part of a graph that a kind of node belongs to; the mix for others."""


@dataclass
class Graph:
    """A graph in the form of ComfyUI's HTTP API, the note that stands beside it in the page, and the part that each node belongs to."""

    note: str
    nodes: dict[str, dict] = field(default_factory=dict)
    parts: dict[str, str | None] = field(default_factory=dict)

    def add(self, class_type: str, heading: str = "", part: str | None = None, **inputs) -> Callable[[int], Link]:
        """Adds a node under a heading of its own or its usual one; the answer called with an output's number is the link to it.

        `part` is the part of the graph it belongs to, its usual one if none is said.
        """
        node_id = str(len(self.nodes) + 1)
        self.nodes[node_id] = {"class_type": class_type, "inputs": inputs, "_meta": {"title": heading}}
        self.parts[node_id] = part or PARTS.get(class_type, MIX)
        return lambda output=0: [node_id, output]


@dataclass(frozen=True)
class Flavour:
    """What differs between the two: the checkpoint, the size, and the settings that suit it."""

    suffix: str
    checkpoint: dict
    side: int
    cfg: float
    k_max: float
    k_min: float
    remark: str = ""

    def load(self, graph: Graph) -> tuple[Link, Link, Link]:
        graph.note = f"{textwrap.dedent(graph.note).strip()}{self.remark}"
        node = graph.add(**self.checkpoint)
        return node(0), node(1), node(2)

    @property
    def draws_without_one(self) -> bool:
        """Whether the node that does all takes this checkpoint where it is given none."""
        return self.checkpoint["class_type"] == "MagicMixDemoCheckpoint"

    def pick(self, demo: str | float, stock: str | float) -> str | float:
        """A prompt the checkpoint knows, or a nu that suits it: the demo model holds on to a layout more than a large one."""
        return stock if self.suffix else demo

    def window(self, nu: float | Link, **changes) -> dict:
        return {"nu": nu, "k_max": self.k_max, "k_min": self.k_min, "nu_schedule": "constant", "restore_variance": False} | changes


DEMO = Flavour("", {"class_type": "MagicMixDemoCheckpoint"}, side=128, cfg=4.0, k_max=0.85, k_min=0.35)
SD15 = Flavour(
    "_sd15",
    {"class_type": "CheckpointLoaderSimple", "ckpt_name": "v1-5-pruned-emaonly-fp16.safetensors"},
    side=512,
    cfg=7.5,
    k_max=0.6,
    k_min=0.3,
    remark="\n\nAny Stable Diffusion 1.5 checkpoint will do: choose one of yours in *Load Checkpoint*.",
)
SD35 = Flavour(
    "_sd35",
    {"class_type": "CheckpointLoaderSimple", "ckpt_name": "sd3.5_medium_incl_clips_t5xxlfp8scaled.safetensors"},
    side=1024,
    cfg=3.5,
    k_max=0.66,
    k_min=0.0,
    remark="\n\nA Stable Diffusion 3.5 checkpoint with its text encoders inside: choose one of yours in *Load Checkpoint*.",
)
SAMPLING = {"seed": 1, "steps": 50, "sampler_name": "euler", "scheduler": "ddim_uniform"}


def encode(graph: Graph, clip: Link, text: str, title: str) -> Link:
    return graph.add("CLIPTextEncode", title, LAYOUT if title == "Layout prompt" else CONTENT, text=text, clip=clip)()


def prompts(graph: Graph, clip: Link, content: str) -> tuple[Link, Link]:
    return encode(graph, clip, content, "Content prompt"), encode(graph, clip, "", "Negative prompt")


def image_latent(graph: Graph, flavour: Flavour, vae: Link, heading: str = "Layout image") -> Link:
    image = graph.add("LoadImage", heading, image="example.png")()
    size = {"width": flavour.side, "height": flavour.side}
    scaled = graph.add("ImageScale", "Scale to the model's size", image=image, upscale_method="lanczos", crop="center", **size)()
    return graph.add("VAEEncode", pixels=scaled, vae=vae)()


def empty_latent(graph: Graph, flavour: Flavour, part: str = LAYOUT) -> Link:
    return graph.add("EmptyLatentImage", part=part, width=flavour.side, height=flavour.side, batch_size=1)()


def image_layout(graph: Graph, flavour: Flavour, vae: Link) -> Link:
    return graph.add("MagicMixLayoutNoise", latent=image_latent(graph, flavour, vae), seed=1, noise="shared")()


def prompt_layout(graph: Graph, flavour: Flavour, model: Link, clip: Link, negative: Link, text: str) -> Callable[[int], Link]:
    positive = encode(graph, clip, text, "Layout prompt")
    latent = empty_latent(graph, flavour)
    return graph.add(
        "MagicMixLayoutFromPrompt", model=model, positive=positive, negative=negative, latent=latent, cfg=flavour.cfg, **SAMPLING
    )


def mixed(graph: Graph, flavour: Flavour, model: Link, positive: Link, negative: Link, layout: Link, **window) -> Link:
    inputs = {"model": model, "positive": positive, "negative": negative, "layout": layout, "cfg": flavour.cfg}
    return graph.add("MagicMixKSampler", **inputs | window, **SAMPLING)()


def shown(graph: Graph, vae: Link, latent: Link) -> None:
    pictures = graph.add("VAEDecode", part=LAYOUT, samples=latent, vae=vae)()
    graph.add("PreviewImage", "The layout's own picture", LAYOUT, images=pictures)


def save(graph: Graph, vae: Link, latent: Link) -> None:
    pictures = graph.add("VAEDecode", samples=latent, vae=vae)()
    graph.add("SaveImage", images=pictures, filename_prefix="magicmix")


def save_sheet(graph: Graph, vae: Link, latent: Link, grid: Callable[[int], Link], title: str) -> None:
    pictures = graph.add("VAEDecode", samples=latent, vae=vae)()
    sheet = graph.add("ContactSheet", images=pictures, labels=grid(2), columns=grid(3), title=title)()
    graph.add("SaveImage", images=sheet, filename_prefix="magicmix")
