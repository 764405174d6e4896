"""A graph as one node that can be opened: a subgraph blueprint, as ComfyUI's page keeps it."""

import copy
import uuid
from dataclasses import dataclass
from typing import Any

from building import Graph, Link
from page_form import fill_in, ui_graph, widget_inputs

INSIDE, OUTSIDE = -10, -20
"""The ids that the page gives to a subgraph's own inputs and outputs."""
EDGE, ROW, GAP = 180, 20, 60


@dataclass(frozen=True)
class Given:
    """An input of the blueprint, in place of an inner node's; `value` is what its widget holds at first."""

    name: str
    value: Any = None


@dataclass
class Blueprint:
    """An inner graph, some of whose inputs are `Given`; the names of these in order, and the links that come out by their names."""

    graph: Graph
    inputs: tuple[str, ...]
    outputs: dict[str, Link]


def blueprint_form(name: str, blueprint: Blueprint, schemas: dict) -> dict:
    """The file's content; in the page the blueprint is called as the file is."""
    graph = copy.deepcopy(blueprint.graph)
    targets: dict[str, list[tuple[str, str]]] = {port: [] for port in blueprint.inputs}
    values: dict[str, Any] = {}
    for node_id, node in graph.nodes.items():
        for key, given in [pair for pair in node["inputs"].items() if isinstance(pair[1], Given)]:
            targets[given.name].append((node_id, key))
            values.setdefault(given.name, given.value)
            del node["inputs"][key]
            if given.value is not None:
                node["inputs"][key] = given.value
    fill_in(graph, schemas)
    inner = ui_graph(name, graph, schemas, 1.0)
    nodes = {str(node["id"]): node for node in inner["nodes"]}
    for node_id, node in graph.nodes.items():  # all of them, as the page has them: links of a blueprint go by number alone
        nodes[node_id]["inputs"] += [
            {"name": key, "type": kind, "link": None, "widget": {"name": key}}
            for key, kind, _ in widget_inputs(schemas[node["class_type"]])
        ]
    links = [
        dict(zip(("id", "origin_id", "origin_slot", "target_id", "target_slot", "type"), link, strict=True)) for link in inner["links"]
    ]

    def linked(kind: str, origin: tuple[int, int], target: tuple[int, int]) -> int:
        link = {"origin_id": origin[0], "origin_slot": origin[1], "target_id": target[0], "target_slot": target[1], "type": kind}
        links.append({"id": len(links) + 1} | link)
        return len(links)

    left, top, right = _edges(inner["groups"])
    inputs, outputs, widgets = [], [], []
    for slot, (port, places) in enumerate(targets.items()):
        kinds = {_kind(schemas[graph.nodes[node_id]["class_type"]], key) for node_id, key in places}
        ((kind, is_widget),) = kinds
        ids = []
        for node_id, key in places:
            sockets = nodes[node_id]["inputs"]
            at = next(number for number, socket in enumerate(sockets) if socket["name"] == key)
            sockets[at]["link"] = linked(kind, (INSIDE, slot), (int(node_id), at))
            ids.append(sockets[at]["link"])
        place = [left - GAP - ROW, top + ROW * (slot + 1)]
        inputs.append({"id": _uuid(name, "input", port), "name": port, "type": kind, "linkIds": ids, "pos": place})
        widgets += [port] if is_widget else []
    for slot, (port, (node_id, output)) in enumerate(blueprint.outputs.items()):
        origin = nodes[node_id]["outputs"][output]
        link = linked(origin["type"], (int(node_id), output), (OUTSIDE, slot))
        origin["links"].append(link)
        place = [right + GAP + ROW, top + ROW * (slot + 1)]
        outputs.append({"id": _uuid(name, "output", port), "name": port, "type": origin["type"], "linkIds": [link], "pos": place})

    definition = {
        "id": _uuid(name, "subgraph"),
        "version": 1,
        "state": {
            "lastGroupId": len(inner["groups"]),
            "lastNodeId": inner["last_node_id"],
            "lastLinkId": len(links),
            "lastRerouteId": 0,
        },
        "revision": 0,
        "config": {},
        "name": name,
        "inputNode": {"id": INSIDE, "bounding": [left - GAP - EDGE, top, EDGE, ROW * (len(inputs) + 2)]},
        "outputNode": {"id": OUTSIDE, "bounding": [right + GAP, top, EDGE, ROW * (len(outputs) + 2)]},
        "inputs": inputs,
        "outputs": outputs,
        "widgets": [],
        "nodes": inner["nodes"],
        "groups": inner["groups"],
        "links": links,
        "extra": {},
    }
    outside = {
        "id": 1,
        "type": definition["id"],
        "pos": [0, 0],
        "size": [320, 40 + ROW * (len(inputs) - len(widgets)) + sum(80 if isinstance(values[port], str) else 30 for port in widgets)],
        "flags": {},
        "order": 0,
        "mode": 0,
        "title": name,
        "inputs": [
            {"name": each["name"], "type": each["type"], "link": None}
            | ({"widget": {"name": each["name"]}} if each["name"] in widgets else {})
            for each in inputs
        ],
        "outputs": [{"name": each["name"], "type": each["type"], "links": []} for each in outputs],
        "properties": {},
        "widgets_values": [values[port] for port in widgets],
    }
    return {
        "id": _uuid(name),
        "revision": 0,
        "last_node_id": 1,
        "last_link_id": 0,
        "nodes": [outside],
        "links": [],
        "groups": [],
        "config": {},
        "extra": {},
        "version": 0.4,
        "definitions": {"subgraphs": [definition]},
    }


def _kind(schema: dict, key: str) -> tuple[str, bool]:
    """The type of a node's input, and whether it is a widget."""
    widgets = {name: kind for name, kind, _ in widget_inputs(schema)}
    if key in widgets:
        return widgets[key], True
    return next(schema["input"][group][key][0] for group in ("required", "optional") if key in schema["input"].get(group, {})), False


def _edges(groups: list[dict]) -> tuple[int, int, int]:
    """Left, top and right of all groups."""
    boxes = [group["bounding"] for group in groups]
    return 0, min(box[1] for box in boxes), max(box[0] + box[2] for box in boxes)


def _uuid(*names: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(("comfyui-magicmix", "blueprint", *names))))
