"""What graphs are built from, in both flavours: for the demo checkpoint and for a Stable Diffusion 1.5 one."""

from collections.abc import Callable
from dataclasses import dataclass, field

Link = list


@dataclass
class Graph:
    """A graph in the form of ComfyUI's HTTP API, and the note that stands beside it in the page."""

    note: str
    nodes: dict[str, dict] = field(default_factory=dict)

    def add(self, class_type: str, heading: str = "", **inputs) -> Callable[[int], Link]:
        """Adds a node under a heading of its own or its usual one; the answer called with an output's number is the link to it."""
        node_id = str(len(self.nodes) + 1)
        self.nodes[node_id] = {"class_type": class_type, "inputs": inputs, "_meta": {"title": heading}}
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

    def load(self, graph: Graph) -> tuple[Link, Link, Link]:
        node = graph.add(**self.checkpoint)
        return node(0), node(1), node(2)

    def pick(self, demo: str | float, stock: str | float) -> str | float:
        """A prompt the checkpoint knows, or a nu that suits it: the demo model holds on to a layout more than a large one."""
        return stock if self.suffix else demo

    def window(self, nu: float | Link, **changes) -> dict:
        return {"nu": nu, "k_max": self.k_max, "k_min": self.k_min, "nu_schedule": "constant", "restore_variance": False} | changes


DEMO = Flavour("", {"class_type": "MagicMixDemoCheckpoint"}, side=128, cfg=4.0, k_max=0.85, k_min=0.35)
SD15 = Flavour(
    "_sd15",
    {"class_type": "CheckpointLoaderSimple", "ckpt_name": "v1-5-pruned-emaonly.safetensors"},
    side=512,
    cfg=7.5,
    k_max=0.6,
    k_min=0.3,
)
SAMPLING = {"seed": 1, "steps": 50, "sampler_name": "euler", "scheduler": "ddim_uniform"}


def encode(graph: Graph, clip: Link, text: str, title: str) -> Link:
    return graph.add("CLIPTextEncode", title, text=text, clip=clip)()


def prompts(graph: Graph, clip: Link, content: str) -> tuple[Link, Link]:
    return encode(graph, clip, content, "Content prompt"), encode(graph, clip, "", "Negative prompt")


def image_latent(graph: Graph, flavour: Flavour, vae: Link) -> Link:
    image = graph.add("LoadImage", "Layout image", image="example.png")()
    size = {"width": flavour.side, "height": flavour.side}
    scaled = graph.add("ImageScale", "Scale to the model's size", image=image, upscale_method="lanczos", crop="center", **size)()
    return graph.add("VAEEncode", pixels=scaled, vae=vae)()


def empty_latent(graph: Graph, flavour: Flavour) -> Link:
    return graph.add("EmptyLatentImage", width=flavour.side, height=flavour.side, batch_size=1)()


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


def save(graph: Graph, vae: Link, latent: Link) -> None:
    pictures = graph.add("VAEDecode", samples=latent, vae=vae)()
    graph.add("SaveImage", images=pictures, filename_prefix="magicmix")


def save_sheet(graph: Graph, vae: Link, latent: Link, grid: Callable[[int], Link], title: str) -> None:
    pictures = graph.add("VAEDecode", samples=latent, vae=vae)()
    sheet = graph.add("ContactSheet", images=pictures, labels=grid(2), columns=grid(3), title=title)()
    graph.add("SaveImage", images=sheet, filename_prefix="magicmix")
