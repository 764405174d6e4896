"""What graphs are built from, in every flavour: for the demo checkpoint, for a Stable Diffusion 1.5 one, and for those of other families."""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field

from demo_model import SIDES

Link = list
Choice = str | float | tuple | dict
LAYOUT, CONTENT, MIX = "Layout", "Content", "Mix"
PARTS = {
    "MagicMixDemoCheckpoint": None,
    **dict.fromkeys(("CheckpointLoaderSimple", "UNETLoader", "CLIPLoader", "DualCLIPLoader", "VAELoader"), None),
    **dict.fromkeys(("ModelSamplingSD3", "ModelSamplingAuraFlow", "ModelSamplingFlux"), None),
    **dict.fromkeys(("LoadImage", "MagicMixSamplePicture", "ImageScale", "VAEEncode", "EmptyLatentImage", "EmptySD3LatentImage"), LAYOUT),
    **dict.fromkeys(("MagicMixLayoutNoise", "MagicMixLayoutFromPrompt", "MagicMixLayoutInversion"), LAYOUT),
    **dict.fromkeys(("MagicMixLayoutBlend", "MagicMixLayoutTransform"), LAYOUT),
    **dict.fromkeys(("CLIPTextEncode", "FluxGuidance", "ConditioningAverage", "PromptTokens", "PreviewAny"), CONTENT),
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


SAMPLING = {"seed": 1, "steps": 50, "sampler_name": "euler", "scheduler": "ddim_uniform"}


@dataclass(frozen=True)
class Flavour:
    """What differs between them: the files, the size, and the settings that suit it.

    `loaders` is one node that loads all, or one each for model, clip and vae; `shift` the node that sets the model's noise schedule,
    `empty` the one that makes an empty latent; `guidance` is for models that take it as a number beside the prompt;
    `nu` is for as many mixed steps as `sampling` has: the more there are, the more each one pulls to the layout. `features` says whether
    Plug-and-Play can take them from the model, `scenes` whether the demo model draws several things, `edit_steps` how long a word swap follows
    its source.
    """

    suffix: str
    loaders: tuple[dict, ...]
    side: int
    cfg: float
    k_max: float
    k_min: float
    remark: str = ""
    sampling: dict = field(default_factory=lambda: SAMPLING)
    shift: dict | None = None
    guidance: float | None = None
    nu: float = 0.7
    empty: str = "EmptyLatentImage"
    features: bool = True
    scenes: bool = False
    edit_steps: float = 0.8

    def load(self, graph: Graph) -> tuple[Link, Link, Link]:
        graph.note = f"{textwrap.dedent(graph.note).strip()}{self.remark}"
        nodes = [graph.add(**loader) for loader in self.loaders]
        model, clip, vae = (nodes[0](output) for output in range(3)) if len(nodes) == 1 else (node() for node in nodes)
        return graph.add(**self.shift, model=model)() if self.shift else model, clip, vae

    @property
    def draws_without_one(self) -> bool:
        """Whether the node that does all takes this checkpoint where it is given none."""
        return self.is_demo and self.features

    @property
    def is_demo(self) -> bool:
        """Whether it is for the demo checkpoint, of either network."""
        return self.loaders[0]["class_type"] == "MagicMixDemoCheckpoint"

    def pick(self, demo: Choice, stock: Choice, alone: Choice | None = None) -> Choice:
        """A prompt the checkpoint knows, or a nu that suits it. `alone` is for a demo model that draws one thing; where it is left out, as `demo`."""
        if not self.is_demo:
            return stock
        return demo if self.scenes or alone is None else alone

    def window(self, nu: float | Link, **changes) -> dict:
        return {"nu": nu, "k_max": self.k_max, "k_min": self.k_min, "nu_schedule": "constant", "restore_variance": False} | changes


DEMO = Flavour(
    "",
    ({"class_type": "MagicMixDemoCheckpoint"},),
    side=SIDES["unet"],
    cfg=4.0,
    k_max=0.85,
    k_min=0.35,
    sampling=SAMPLING | {"steps": 25},
    scenes=True,
)
SD15 = Flavour(
    "_sd15",
    ({"class_type": "CheckpointLoaderSimple", "ckpt_name": "v1-5-pruned-emaonly-fp16.safetensors"},),
    side=512,
    cfg=7.5,
    k_max=0.6,
    k_min=0.3,
    remark="\n\nAny Stable Diffusion 1.5 checkpoint will do: choose one of yours in *Load Checkpoint*.",
)


def encode(graph: Graph, clip: Link, text: str, title: str) -> Link:
    return graph.add("CLIPTextEncode", title, LAYOUT if title == "Layout prompt" else CONTENT, text=text, clip=clip)()


def guided(graph: Graph, flavour: Flavour, positive: Link, part: str = CONTENT) -> Link:
    """A prompt with the guidance that a model takes beside it; the prompt itself for other models."""
    return graph.add("FluxGuidance", part=part, conditioning=positive, guidance=flavour.guidance)() if flavour.guidance else positive


def content_prompt(graph: Graph, flavour: Flavour, clip: Link, text: str) -> Link:
    return guided(graph, flavour, encode(graph, clip, text, "Content prompt"))


def prompts(graph: Graph, flavour: Flavour, clip: Link, content: str) -> tuple[Link, Link]:
    return content_prompt(graph, flavour, clip, content), encode(graph, clip, "", "Negative prompt")


def picture(graph: Graph, flavour: Flavour, sample: str = "", heading: str = "Layout image") -> Link:
    """For the demo model one of the pack's own pictures, if a `sample` is named; else the user's."""
    if flavour.is_demo and sample:
        return graph.add("MagicMixSamplePicture", heading, picture=sample)()
    return graph.add("LoadImage", heading, image="example.png")()


def image_latent(graph: Graph, flavour: Flavour, vae: Link, sample: str = "", heading: str = "Layout image") -> Link:
    image = picture(graph, flavour, sample, heading)
    size = {"width": flavour.side, "height": flavour.side}
    scaled = graph.add("ImageScale", "Scale to the model's size", image=image, upscale_method="lanczos", crop="center", **size)()
    return graph.add("VAEEncode", pixels=scaled, vae=vae)()


def empty_latent(graph: Graph, flavour: Flavour, part: str = LAYOUT) -> Link:
    return graph.add(flavour.empty, part=part, width=flavour.side, height=flavour.side, batch_size=1)()


def image_layout(graph: Graph, flavour: Flavour, vae: Link, sample: str = "") -> Link:
    return graph.add("MagicMixLayoutNoise", latent=image_latent(graph, flavour, vae, sample), seed=1, noise="shared")()


def prompt_layout(graph: Graph, flavour: Flavour, model: Link, clip: Link, negative: Link, text: str) -> Callable[[int], Link]:
    positive = guided(graph, flavour, encode(graph, clip, text, "Layout prompt"), LAYOUT)
    inputs = {"model": model, "positive": positive, "negative": negative, "latent": empty_latent(graph, flavour), "cfg": flavour.cfg}
    return graph.add("MagicMixLayoutFromPrompt", **inputs, **flavour.sampling)


def mixed(graph: Graph, flavour: Flavour, model: Link, positive: Link, negative: Link, layout: Link, **window) -> Link:
    inputs = {"model": model, "positive": positive, "negative": negative, "layout": layout, "cfg": flavour.cfg}
    return graph.add("MagicMixKSampler", **inputs | window, **flavour.sampling)()


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
