"""Maps are those of the run that drew the pictures they are laid over: in sweeps, after other runs, and from the host's caches."""

import copy
import io

import numpy as np
import pytest
from comfy_client import ComfyClient, GraphError
from comfy_server import comfy_server
from PIL import Image
from shipped_graphs import light_graph

SAMPLER, DECODE, MAPS, SAVE = "6", "7", "8", "12"


@pytest.fixture
def graph():
    """The shipped graph of heat maps, with few steps, saving the overlays themselves."""
    graph = light_graph("heat_maps", steps=3)
    graph = {node_id: graph[node_id] for node_id in ("1", "2", "3", "4", "5", SAMPLER, DECODE, MAPS, SAVE)}
    graph[SAMPLER]["inputs"]["seed"] = 1
    graph[MAPS]["inputs"]["legend"] = False
    graph[SAVE]["inputs"]["images"] = [MAPS, 0]
    return graph


def changed(graph, **inputs):
    """`changed(graph, opacity=0.5)`: with these inputs wherever a node has them."""
    graph = copy.deepcopy(graph)
    for node in graph.values():
        node["inputs"] |= {name: value for name, value in inputs.items() if name in node["inputs"]}
    return graph


def overlays(client, graph):
    """`[pictures, H, W, 3]`, as saved."""
    return np.stack([np.array(Image.open(io.BytesIO(picture))) for picture in client.pictures(client.run(graph))])


def test_a_sweep_has_the_overlays_of_its_single_runs(client, graph):
    singles = [overlays(client, changed(graph, cfg=cfg)) for cfg in (2.0, 6.0)]
    swept = changed(graph, cfg=["grid", 0])
    swept["grid"] = {"class_type": "ValueGrid", "inputs": {"x_values": "2, 6"}}
    assert np.array_equal(overlays(client, swept), np.concatenate(singles))
    assert not np.array_equal(*singles)


def test_after_another_seed_the_overlay_is_that_seeds(client, graph):
    for seed in (1, 2):
        overlays(client, changed(graph, seed=seed))
    later = overlays(client, changed(graph, seed=2, opacity=0.3))
    with comfy_server() as url, ComfyClient(url) as fresh:
        assert np.array_equal(later, overlays(fresh, changed(graph, seed=2, opacity=0.3)))


def test_a_picture_from_the_cache_has_the_maps_of_its_own_run(graph):
    with comfy_server("--cache-lru", "50") as url, ComfyClient(url) as client:
        firsts = {seed: overlays(client, changed(graph, seed=seed)) for seed in (1, 2)}
        again = overlays(client, changed(graph, seed=1, opacity=0.700001))
        assert np.abs(again.astype(int) - firsts[1]).max() <= 1
        assert np.abs(again.astype(int) - firsts[2]).max() > 1


def test_a_batch_made_of_a_list_needs_the_latent(client, graph):
    """Behind a node that rearranges lists nobody knows which picture is whose; the sampler's latent tells."""
    swept = changed(graph, cfg=["grid", 0], images=["rebatch", 0])
    swept[SAVE]["inputs"]["images"] = [MAPS, 0]
    swept["grid"] = {"class_type": "ValueGrid", "inputs": {"x_values": "2, 6"}}
    swept["rebatch"] = {"class_type": "RebatchImages", "inputs": {"images": [DECODE, 0], "batch_size": 2}}
    with pytest.raises(GraphError, match="images went through a node that rearranges lists"):
        client.run(swept)
    swept[MAPS]["inputs"]["latent"] = ["latents", 0]
    swept["latents"] = {"class_type": "RebatchLatents", "inputs": {"latents": [SAMPLER, 0], "batch_size": 2}}
    singles = [overlays(client, changed(graph, cfg=cfg)) for cfg in (2.0, 6.0)]
    assert np.array_equal(overlays(client, swept), np.concatenate(singles))


def test_pictures_of_another_sampler_are_refused(client, graph):
    """The watched model draws a first picture, and a second sampler, unwatched, draws over it."""
    graph["again"] = copy.deepcopy(graph[SAMPLER])
    graph["again"]["inputs"] |= {"model": ["1", 0], "latent_image": [SAMPLER, 0], "denoise": 0.5}
    graph[DECODE]["inputs"]["samples"] = ["again", 0]
    with pytest.raises(GraphError, match="images must be drawn by a sampler with the model of Record Cross-Attn Maps"):
        client.run(graph)


def test_a_latent_of_another_run_is_refused(client, graph):
    graph[MAPS]["inputs"]["latent"] = ["5", 0]
    with pytest.raises(GraphError, match="latent must be what the sampler with the watched model gave"):
        client.run(graph)
