"""Graphs in API form: finding nodes, what depends on what, and the same graph with other values."""

import difflib
import json
from collections.abc import Iterable, Mapping

Graph = dict[str, dict]

SEEDS = ("seed", "noise_seed")


def read_graph(text: str) -> Graph:
    """The graph in a JSON text. Raises ValueError that says what is wrong with it."""
    try:
        graph = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from error
    if isinstance(graph, dict) and "nodes" in graph and "links" in graph:
        raise ValueError("the page's own form of a graph; export it with Workflow, Export (API)")
    if not isinstance(graph, dict) or not graph:
        raise ValueError("a graph in API form is an object with a node to each id")
    for node_id, node in graph.items():
        if not isinstance(node, dict) or not isinstance(node.get("class_type"), str) or not isinstance(node.get("inputs"), dict):
            raise ValueError(f"node {node_id} has no class_type or no inputs: not a graph in API form")
        for name, value in node["inputs"].items():
            if _linked(value) and value[0] not in graph:
                raise ValueError(f"node {node_id}, input {name}: linked to node {value[0]}, which is not there")
    return graph


def _linked(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and type(value[1]) is int


def title_of(graph: Graph, node_id: str) -> str:
    """What people call the node: its title, or else its type."""
    return graph[node_id].get("_meta", {}).get("title") or graph[node_id]["class_type"]


def find_node(graph: Graph, name: str) -> str:
    """The id of the only node with this title, or else of this type. Raises LookupError that says what there is."""
    for found in (
        [node_id for node_id in graph if graph[node_id].get("_meta", {}).get("title") == name],
        [node_id for node_id in graph if graph[node_id]["class_type"] == name],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            raise LookupError(f"{len(found)} nodes are called {name!r} (nodes {', '.join(found)}); give them titles of their own")
    known = sorted({title_of(graph, node_id) for node_id in graph} | {node["class_type"] for node in graph.values()})
    raise LookupError(f"the graph has no node with the title or type {name!r}{_meant(name, known)}")


def check_input(graph: Graph, node_id: str, name: str) -> None:
    """Raises LookupError where the node has no such input to set."""
    inputs = graph[node_id]["inputs"]
    if name not in inputs:
        raise LookupError(f"{title_of(graph, node_id)} has no input {name!r} in the graph{_meant(name, sorted(inputs))}")
    if _linked(inputs[name]):
        source = title_of(graph, inputs[name][0])
        raise LookupError(f"{title_of(graph, node_id)}: {name} is linked to {source}; vary an input of that node")


def _meant(name: str, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; it has {', '.join(map(repr, known))}"


def reach(graph: Graph, node_ids: Iterable[str]) -> frozenset[str]:
    """The nodes that must run again when something about `node_ids` changes: they, and all that is linked behind them."""
    reached = set(node_ids)
    while grown := {
        node_id
        for node_id, node in graph.items()
        if node_id not in reached and any(_linked(value) and value[0] in reached for value in node["inputs"].values())
    }:
        reached |= grown
    return frozenset(reached)


def with_values(graph: Graph, values: Mapping[tuple[str, str], object]) -> Graph:
    """The graph with other values, by (node id, input), and without titles. `graph` itself stays as it is."""
    changed = {node_id: {"class_type": node["class_type"], "inputs": dict(node["inputs"])} for node_id, node in graph.items()}
    for (node_id, name), value in values.items():
        changed[node_id]["inputs"][name] = value
    return changed


def seed_of(graph: Graph) -> int | None:
    """The seed, where all of the graph's seeds are one."""
    seeds = {node["inputs"][name] for node in graph.values() for name in SEEDS if type(node["inputs"].get(name)) is int}
    return seeds.pop() if len(seeds) == 1 else None
