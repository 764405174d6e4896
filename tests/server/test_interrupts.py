"""An interrupt over HTTP in the middle of each kind of run: heard within a step, and the same graph then gives the bits it gave before."""

import pytest
from comfy_client import ComfyClient, GraphError
from oracles import content, reference_graphs

RUNS = [
    *(("mix", "path"), ("mix", "drawn"), ("reweight", "drawn"), ("prompt to prompt", "drawn"), ("plug and play", "drawn")),
    *(("maps", "drawn"), ("inversion", "inverted"), ("flow edit", "drawn")),
]
STEPS, ROWS = 9, 4
"""Enough for an interrupt to come in the middle of a run, and of a step."""


def slow_graph(name: str) -> dict:
    graph = reference_graphs()[name]
    graph["size"]["inputs"]["batch_size"] = ROWS
    for node in graph.values():
        if "steps" in node["inputs"]:
            node["inputs"]["steps"] = STEPS
    return graph


def bits(client: ComfyClient, graph: dict) -> list[bytes]:
    saved = client.run(graph).outputs["saved"]
    return [content(client.picture(entry), entry["filename"]) for entry in saved.get("latents", []) + saved.get("images", [])]


@pytest.mark.parametrize(("name", "node"), RUNS)
def test_the_same_graph_after_an_interrupt_gives_the_same_bits(client, name, node):
    graph, seen = slow_graph(name), []
    fresh = bits(client, graph)
    client.run(reference_graphs()["plain"])  # the host forgets what this graph did not have

    def interrupt(kind, data):
        if kind == "progress" and data["node"] == node:
            seen.append(data["value"])
            if data["value"] == STEPS // 3:
                client.interrupt()

    with pytest.raises(GraphError, match="interrupted") as stopped:
        client.run(graph, interrupt)
    assert stopped.value.details["node_id"] == node
    assert seen[-1] <= STEPS // 3 + 1
    assert bits(client, graph) == fresh
