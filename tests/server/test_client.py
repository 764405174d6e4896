"""What the client makes of the server's less obvious answers."""

import pytest
from comfy_client import ComfyClient, GraphError, inputs_of


def test_a_graph_refused_in_part_is_refused_whole(client, mixing_graph):
    """The server itself would run the outputs that are fine."""
    graph = mixing_graph(nu=0.36)
    graph["again"] = {"class_type": "SaveImage", "inputs": {"images": ["2", 0]}}
    with pytest.raises(GraphError) as refused:
        client.queue(graph)
    assert str(refused.value) == "the server refused the graph\nSaveImage (node again): Required input is missing (filename_prefix)"
    assert "error" not in refused.value.details
    assert client.http.get("/queue").json()["queue_pending"] == []


def test_a_graph_without_an_output_is_refused_in_the_servers_words(client):
    with pytest.raises(GraphError, match="the server refused the graph\nPrompt has no outputs$"):
        client.queue({"1": {"class_type": "MagicMixDemoCheckpoint", "inputs": {}}})


def test_a_node_that_is_not_installed_is_named(client):
    with pytest.raises(GraphError, match="MagicMixer"):
        client.queue({"1": {"class_type": "MagicMixer", "inputs": {}}})


def test_the_same_graph_again_gives_its_pictures_from_the_cache(client, mixing_graph, progress):
    graph = mixing_graph(nu=0.37)
    first, again = client.run(graph), client.run(graph)
    assert progress(first.events) and not progress(again.events)
    assert client.pictures(again) == client.pictures(first) != []


def test_text_that_a_node_shows_is_no_preview(client):
    graph = {
        "1": {"class_type": "MagicMixDemoCheckpoint", "inputs": {}},
        "2": {"class_type": "PromptTokens", "inputs": {"clip": ["1", 1], "text": "a lion"}},
    }
    assert client.run(graph).previews == []


def test_a_graph_that_shows_nothing_has_no_pictures_from_the_cache_either(client):
    graph = {
        "1": {"class_type": "MagicMixDemoCheckpoint", "inputs": {}},
        "2": {"class_type": "VAESave", "inputs": {"vae": ["1", 2], "filename_prefix": "test"}},
    }
    client.run(graph)
    assert client.pictures(client.run(graph)) == []


def test_leaving_takes_back_what_was_queued_and_nothing_of_others(url, client, mixing_graph, plain_graph):
    others = client.queue(mixing_graph(nu=0.38))
    with ComfyClient(url) as leaving:
        taken_back = leaving.queue(mixing_graph(nu=0.39))
    assert client.pictures(client.follow(others))
    client.run(plain_graph)  # it would have run by now
    assert client.http.get(f"/history/{taken_back}").json() == {}


def test_inputs_are_found_by_the_nodes_type(mixing_graph):
    graph = mixing_graph()
    inputs_of(graph, "MagicMixKSampler")["nu"] = 0.25
    assert graph["8"]["inputs"]["nu"] == 0.25
    with pytest.raises(ValueError, match="the graph must have one CLIPTextEncode, it has 2"):
        inputs_of(graph, "CLIPTextEncode")
