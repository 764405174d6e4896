"""A real server with the pack in it, spoken to over HTTP and websocket."""

import pytest
from comfy_client import ComfyClient, Run
from comfy_server import PACK, comfy_server
from safetensors.torch import load
from shipped_graphs import light_graph

SAMPLER = "8"


@pytest.fixture(scope="session")
def url():
    with comfy_server("--preview-method", "latent2rgb") as address:
        yield address


@pytest.fixture
def client(url):
    with ComfyClient(url) as connected:
        yield connected


@pytest.fixture(scope="session")
def picture():
    return PACK / "demo_model" / "layouts" / "watermelon.png"


@pytest.fixture(scope="session")
def image(url, picture):
    with ComfyClient(url) as connected:
        return connected.upload(picture)


@pytest.fixture
def mixing_graph(image):
    """`mixing_graph(nu=0.3, ...)`: the shipped image-text graph, its sampler changed so, saving the latent as well."""

    def build(**settings) -> dict:
        graph = light_graph("image_text")
        graph["2"]["inputs"]["image"] = image
        graph[SAMPLER]["inputs"].update({"k_max": 0.6, "k_min": 0.3} | settings)
        graph["latent"] = {"class_type": "SaveLatent", "inputs": {"samples": [SAMPLER, 0], "filename_prefix": "test"}}
        return graph

    return build


@pytest.fixture
def plain_graph(mixing_graph):
    """The core's KSampler on the same checkpoint and prompts."""
    graph = mixing_graph()
    kept = {key: graph[SAMPLER]["inputs"][key] for key in ("model", "positive", "negative", "seed", "cfg", "sampler_name", "scheduler")}
    graph[SAMPLER] = {"class_type": "KSampler", "inputs": kept | {"steps": 10, "denoise": 0.6, "latent_image": ["4", 0]}}
    del graph["5"]
    return graph


@pytest.fixture
def advanced_graph(image, mixing_graph):
    """The shipped graph for SamplerCustomAdvanced, with the picture and the prompt of `mixing_graph`, saving the latent as well."""
    graph = light_graph("image_text_custom_sampler")
    graph["2"] |= {"class_type": "LoadImage", "inputs": {"image": image}}
    ours, theirs = (
        next(node["inputs"] for node in each.values() if node.get("_meta", {}).get("title") == "Content prompt")
        for each in (graph, mixing_graph())
    )
    ours["text"] = theirs["text"]
    graph["latent"] = {"class_type": "SaveLatent", "inputs": {"samples": ["13", 0], "filename_prefix": "test"}}
    return graph


@pytest.fixture
def latent_of(client):
    """`latent_of(run)`: the tensor that the graph's SaveLatent wrote; on the test's own server unless another is named."""

    def fetch(run: Run, server: ComfyClient = client):
        (saved,) = run.outputs["latent"]["latents"]
        return load(server.picture(saved))["latent_tensor"]

    return fetch


@pytest.fixture(scope="session")
def progress():
    """`progress(events, node)`: (value, max) of each progress message of a node."""

    def read(events, node: str = SAMPLER) -> list[tuple[int, int]]:
        return [(data["value"], data["max"]) for kind, data in events if kind == "progress" and data["node"] == node]

    return read
