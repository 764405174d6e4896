"""A wiring mistake is said on the node where it is made, as the page shows it."""

import pytest
from shipped_graphs import light_graph


@pytest.fixture
def graph():
    """The shipped graph of a word swap, with few steps."""
    return light_graph("word_swap", steps=4)


def node_of(graph, class_type):
    return next(node_id for node_id, node in graph.items() if node["class_type"] == class_type)


def drawn_by(graph):
    """The sampler that draws the edited prompt."""
    edit = node_of(graph, "PromptToPrompt")
    return next(node_id for node_id, node in graph.items() if [edit, 1] in node["inputs"].values())


def test_a_right_graph_says_its_edit_only(client, graph):
    assert client.run(graph).texts == {node_of(graph, "PromptToPrompt"): "edit: swap"}


def test_a_conditioning_without_its_model_is_said_on_its_node(client, graph):
    edit = node_of(graph, "PromptToPrompt")
    graph[drawn_by(graph)]["inputs"]["model"] = [node_of(graph, "MagicMixDemoCheckpoint"), 0]
    assert "gets this node's conditioning but not its model" in client.run(graph).texts[edit]


def test_a_model_without_its_conditioning_is_said_on_its_node_and_the_sampler(client, graph):
    edit, sampler = node_of(graph, "PromptToPrompt"), drawn_by(graph)
    graph[sampler]["inputs"]["positive"] = graph[sampler]["inputs"]["negative"]
    texts = client.run(graph).texts
    assert "gets this node's model but not its conditioning" in texts[edit]
    assert texts[sampler].startswith("the model carries an edit of a prompt that is not sampled here")


def test_another_seed_than_the_layouts_is_said_on_the_sampler(client, graph):
    sampler = drawn_by(graph)
    kept = ("model", "positive", "negative", "steps", "cfg", "sampler_name", "scheduler")
    inputs = {name: value for name, value in graph[sampler]["inputs"].items() if name in kept}
    latent = [node_of(graph, "EmptyLatentImage"), 0]
    graph[sampler] = {"class_type": "KSampler", "inputs": inputs | {"seed": 1, "latent_image": latent, "denoise": 1.0}}
    assert sampler not in client.run(graph).texts
    graph[sampler]["inputs"]["seed"] = 987
    assert client.run(graph).texts[sampler].startswith("sampling starts from other noise than the layout's")


def test_a_window_without_a_step_is_said_on_the_sampler(client, mixing_graph):
    graph = mixing_graph(steps=3, k_max=0.6, k_min=0.59)
    assert client.run(graph).texts[node_of(graph, "MagicMixKSampler")].startswith("no step lies between k_max 0.6 and k_min 0.59")
