"""Graphs queued again, changed and queued again, and side by side with others on the same checkpoint."""

import copy

import pytest
import torch
from shipped_graphs import light_graph


@pytest.fixture
def graph():
    """The shipped graph of all three doors, with few steps, saving the latent as well."""
    graph = light_graph("three_doors", steps=6)
    graph["latent"] = {
        "class_type": "SaveLatent",
        "inputs": {"samples": [node_of(graph, "MagicMixKSampler"), 0], "filename_prefix": "test"},
    }
    return graph


@pytest.fixture
def plain_graph(graph):
    """The core's KSampler on the same checkpoint and prompt, without any of our nodes on the way."""
    plain = copy.deepcopy(graph)
    sampler, layout = node_of(plain, "MagicMixKSampler"), node_of(plain, "MagicMixLayoutFromPrompt")
    settings = plain[layout]["inputs"]
    kept = {key: settings[key] for key in ("positive", "negative", "seed", "steps", "cfg", "sampler_name", "scheduler")}
    checkpoint = [node_of(plain, "MagicMixDemoCheckpoint"), 0]
    plain[sampler] = {"class_type": "KSampler", "inputs": kept | {"model": checkpoint, "latent_image": settings["latent"], "denoise": 1.0}}
    return plain


def node_of(graph, class_type):
    return next(node_id for node_id, node in graph.items() if node["class_type"] == class_type)


def changed(graph, class_type, **inputs):
    graph = copy.deepcopy(graph)
    graph[node_of(graph, class_type)]["inputs"].update(inputs)
    return graph


@pytest.mark.parametrize(
    ("class_type", "change"),
    [("PromptToPrompt", {"cross_steps": 1.0}), ("PlugAndPlayFeatures", {"feature_steps": 0.2}), ("MagicMixKSampler", {"nu": 0.5})],
)
def test_a_widget_changed_and_changed_back(client, latent_of, graph, class_type, change):
    """Nodes before the changed one come from the host's cache; nothing of the other value stays."""
    first, other, again = (latent_of(client.run(each)) for each in (graph, changed(graph, class_type, **change), graph))
    assert not torch.allclose(first, other, atol=1e-3)
    assert torch.equal(first, again)


def test_another_graph_on_the_same_checkpoint_is_untouched(client, latent_of, graph, plain_graph):
    before = latent_of(client.run(plain_graph))
    doors = latent_of(client.run(graph))
    after = latent_of(client.run(changed(plain_graph, "KSampler", seed=2)))
    assert torch.equal(latent_of(client.run(plain_graph)), before)
    assert not torch.allclose(doors, before, atol=1e-3) and not torch.allclose(after, before, atol=1e-3)


def test_two_graphs_in_one_queue(client, latent_of, graph, plain_graph):
    """Queued together, run one after the other."""
    alone = [latent_of(client.run(each)) for each in (graph, plain_graph)]
    queued = [changed(each, kind, seed=3) for each, kind in ((graph, "MagicMixKSampler"), (plain_graph, "KSampler"))]
    client.queue(queued[0])
    client.queue(queued[1])
    together = [latent_of(client.run(each)) for each in (graph, plain_graph)]
    assert all(torch.equal(one, other) for one, other in zip(alone, together, strict=True))
