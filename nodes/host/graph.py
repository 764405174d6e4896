"""The graph that the host executes, as `{node id: {"class_type": .., "inputs": ..}}`: what stands where, and where links lead."""

import hashlib
import json
from collections.abc import Iterator, Mapping

import server

import nodes

Link = tuple[str, int]
"""A node's id and the number of its output."""


def place_of(node) -> tuple[dict[str, dict], str | None]:
    """The graph that is running and the id in it of `node`, a class whose schema asks for the hidden dynprompt and unique_id.

    Nodes that others have put in while running are there too. Empty and None outside the host's execution of a graph.
    """
    hidden = getattr(node, "hidden", None)
    if hidden is None or hidden.dynprompt is None:
        return {}, None
    return {node_id: hidden.dynprompt.get_node(node_id) for node_id in hidden.dynprompt.all_node_ids()}, hidden.unique_id


def running_graph(prompt_id: str) -> dict[str, dict]:
    """The graph that the host's queue is executing under this id; empty where there is no such queue."""
    queue = getattr(getattr(server.PromptServer, "instance", None), "prompt_queue", None)
    for _, running_id, graph, *_ in [] if queue is None else list(getattr(queue, "currently_running", {}).values()):
        if running_id == prompt_id:
            return graph
    return {}


def links_of(graph: Mapping[str, dict], node_id: str) -> dict[str, Link]:
    """The linked inputs of a node, by their names."""
    inputs = graph[node_id]["inputs"] if node_id in graph else {}
    return {name: (value[0], value[1]) for name, value in inputs.items() if _is_link(graph, value)}


def digest(graph: Mapping[str, dict], node_id: str) -> str | None:
    """The same for graphs in which the node has the same inputs and so have all that it depends on; None for an unknown node."""
    if node_id not in graph:
        return None
    known: dict[str, str] = {}
    waiting = [node_id]
    while waiting:
        current = waiting[-1]
        sources = {source for source, _ in links_of(graph, current).values()}
        missing = [source for source in sources if source not in known]
        if missing:
            waiting += missing
            continue
        waiting.pop()
        inputs = {
            name: [known[value[0]], value[1]] if _is_link(graph, value) else value for name, value in graph[current]["inputs"].items()
        }
        text = json.dumps([graph[current]["class_type"], inputs], sort_keys=True, default=str)
        known[current] = hashlib.sha256(text.encode()).hexdigest()
    return known[node_id]


def upstream(graph: Mapping[str, dict], link: Link, kind: str) -> Iterator[Link]:
    """`link` and every link before it, nearest first, as far as they are of the socket type `kind` or of any."""
    waiting, seen = [link], set()
    while waiting:
        current = waiting.pop(0)
        if current not in seen and output_type(graph, current) in (kind, "*"):
            seen.add(current)
            yield current
            waiting += links_of(graph, current[0]).values()


def output_type(graph: Mapping[str, dict], link: Link) -> str:
    """The socket type of a link; `*` where it is not known."""
    types = getattr(nodes.NODE_CLASS_MAPPINGS.get(graph[link[0]]["class_type"]), "RETURN_TYPES", ())
    return str(types[link[1]]) if link[1] < len(types) else "*"


def works_on_lists(graph: Mapping[str, dict], node_id: str) -> bool:
    """Whether a node takes or gives whole lists, so that its n-th output need not be made of its n-th input."""
    node = nodes.NODE_CLASS_MAPPINGS.get(graph[node_id]["class_type"])
    return bool(getattr(node, "INPUT_IS_LIST", False)) or any(getattr(node, "OUTPUT_IS_LIST", None) or ())


def name_of(class_type: str) -> str:
    """A kind of node as the page calls it."""
    return nodes.NODE_DISPLAY_NAME_MAPPINGS.get(class_type) or class_type


def _is_link(graph: Mapping[str, dict], value) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and isinstance(value[0], str)
        and value[0] in graph
        and isinstance(value[1], int)
    )
