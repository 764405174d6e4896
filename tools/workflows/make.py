"""`make workflows`: writes every graph as people drag it in, as the HTTP API takes it, and with a thumbnail; and the help pages' pictures.

Positions follow from the links, the order of widgets from what the server says of each node; thumbnails come from running the
demo flavour, which the other flavour shares.
"""

import argparse
import io
import json
import sys
import textwrap
import uuid
from pathlib import Path

sys.path += [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent.parent.parent / "api_examples")]

from building import DEMO, SD15, Graph
from comfy_client import ComfyClient
from comfy_server import PACK, comfy_server
from door_graphs import DOOR_GRAPHS
from mixing_graphs import MIXING_GRAPHS
from PIL import Image
from word_graphs import WORD_GRAPHS

WORKFLOWS = PACK / "workflows"
HELP = PACK / "web" / "docs"
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
COLUMN, GAP, WIDTH, SLOT, TEXT = 380, 60, 315, 26, 90
THUMBNAIL = 256
READABLE = 0.62  # the classic renderer leaves out all text below
MARGIN = (80, 150)  # pixels between the window's left top and the graph


def widget_inputs(schema: dict) -> list[tuple[str, dict]]:
    """The inputs that are widgets, in the order in which a saved graph lists their values."""
    listed = [(name, spec) for group in ("required", "optional") for name, spec in schema["input"].get(group, {}).items()]
    return [(name, (spec[1:] or [{}])[0]) for name, spec in listed if isinstance(spec[0], list) or spec[0] in WIDGETS]


def widget_values(node: dict, schema: dict) -> list:
    values = []
    for name, options in widget_inputs(schema):
        value = node["inputs"][name]
        values.append(options.get("default") if isinstance(value, list) else value)  # a linked widget keeps its place
        if options.get("control_after_generate"):
            values.append("fixed")
        if options.get("image_upload"):
            values.append("image")
    return values


def columns(graph: dict) -> dict[str, int]:
    """A column for each node, the last for the end of the graph: each stands just left of the first node that needs it."""
    users: dict[str, list[str]] = {node_id: [] for node_id in graph}
    for node_id, node in graph.items():
        for value in node["inputs"].values():
            if isinstance(value, list):
                users[value[0]].append(node_id)

    def steps_to_the_end(node_id: str) -> int:
        return max((steps_to_the_end(user) + 1 for user in users[node_id]), default=0)

    steps = {node_id: steps_to_the_end(node_id) for node_id in graph}
    return {node_id: max(steps.values()) - step for node_id, step in steps.items()}


def ui_graph(name: str, source: Graph, schemas: dict) -> dict:
    """The graph as the page saves it (schema 0.4)."""
    graph, nodes, links = source.nodes, {}, []
    column_ends: dict[int, int] = {}
    column_of = columns(graph)
    for order, (node_id, node) in enumerate(sorted(graph.items(), key=lambda item: column_of[item[0]])):
        schema = schemas[node["class_type"]]
        widgets = widget_inputs(schema)
        sockets = [
            {"name": key, "type": spec[0], "link": None} | ({"widget": {"name": key}} if key in dict(widgets) else {})
            for group in ("required", "optional")
            for key, spec in schema["input"].get(group, {}).items()
            if key not in dict(widgets) or isinstance(node["inputs"].get(key), list)
        ]
        texts = 2 if node["class_type"] == "PreviewAny" else any(options.get("multiline") for _, options in widgets)
        picture = node["class_type"] in ("LoadImage", "SaveImage")
        height = SLOT * (1 + max(len(sockets), len(schema["output"])) + len(widget_values(node, schema))) + TEXT * texts + WIDTH * picture
        column = column_of[node_id]
        top = column_ends.get(column, 0)
        column_ends[column] = top + height + GAP
        nodes[node_id] = {
            "id": int(node_id),
            "type": node["class_type"],
            "pos": [column * COLUMN, top],
            "size": [WIDTH, height],
            "flags": {},
            "order": order,
            "mode": 0,
            "inputs": sockets,
            "outputs": [
                {"name": label, "type": kind, "links": []} for label, kind in zip(schema["output_name"], schema["output"], strict=True)
            ],
            "properties": {"Node name for S&R": node["class_type"]},
            "widgets_values": widget_values(node, schema),
        }
        if node["_meta"]["title"] != schema["display_name"]:
            nodes[node_id]["title"] = node["_meta"]["title"]
    for target, node in graph.items():
        for slot, entry in enumerate(nodes[target]["inputs"]):
            if isinstance(value := node["inputs"].get(entry["name"]), list):
                origin, origin_slot = value
                entry["link"] = len(links) + 1
                nodes[origin]["outputs"][origin_slot]["links"].append(entry["link"])
                links.append([entry["link"], int(origin), origin_slot, int(target), slot, entry["type"]])
    note_id = max(map(int, graph)) + 1
    note = {
        "id": note_id,
        "type": "MarkdownNote",
        "pos": [0, -260],
        "size": [2 * COLUMN - GAP, 200],
        "flags": {},
        "order": len(nodes),
        "mode": 0,
        "inputs": [],
        "outputs": [],
        "properties": {},
        "widgets_values": [textwrap.dedent(source.note).strip()],
    }
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"comfyui-magicmix/{name}")),
        "revision": 0,
        "last_node_id": note_id,
        "last_link_id": len(links),
        "nodes": [*nodes.values(), note],
        "links": links,
        "groups": [],
        "config": {},
        "extra": {"ds": view([*nodes.values(), note])},
        "version": 0.4,
    }


def view(nodes: list[dict]) -> dict:
    """What the page looks at first: the graph from its left top on. Left to itself, Nodes 2.0 fits it in while it measures it, and misplaces it."""
    left, top = (min(node["pos"][axis] for node in nodes) for axis in (0, 1))
    return {"scale": READABLE, "offset": [round(margin / READABLE - low) for margin, low in zip(MARGIN, (left, top), strict=True)]}


def thumbnail(client: ComfyClient, graph: dict) -> Image.Image:
    """What the graph saves; beside the layout, where that is a picture and the result is not a sheet."""
    run = client.run(graph)
    saved = [run.outputs[node_id]["images"][0] for node_id, node in graph.items() if node["class_type"] == "SaveImage"]
    sheet = any(node["class_type"] == "ContactSheet" for node in graph.values())
    loaded = [{"filename": node["inputs"]["image"], "type": "input"} for node in graph.values() if node["class_type"] == "LoadImage"]
    previewed = [run.outputs[node_id]["images"][0] for node_id, node in graph.items() if node["class_type"] == "PreviewImage"]
    pictures = [
        Image.open(io.BytesIO(client.picture(entry))).convert("RGB") for entry in (saved[-1:] if sheet else [*loaded, *previewed, *saved])
    ]
    if sheet:
        (page,) = pictures
        page.thumbnail((3 * THUMBNAIL, 3 * THUMBNAIL))
        return page
    page = Image.new("RGB", (len(pictures) * THUMBNAIL, THUMBNAIL), "white")
    for number, picture in enumerate(pictures):
        page.paste(picture.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BICUBIC), (number * THUMBNAIL, 0))
    return page


def write(name: str, graph: Graph, schemas: dict) -> None:
    for node in graph.nodes.values():
        node["_meta"]["title"] = node["_meta"]["title"] or schemas[node["class_type"]]["display_name"] or node["class_type"]
    (WORKFLOWS / "api").mkdir(parents=True, exist_ok=True)
    lines = (f"  {json.dumps(node_id)}: {json.dumps(node)}" for node_id, node in graph.nodes.items())
    (WORKFLOWS / "api" / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    (WORKFLOWS / f"{name}.json").write_text(json.dumps(ui_graph(name, graph, schemas), indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="graphs to write; all of them if none is named")
    names = parser.parse_args().names
    with comfy_server() as url, ComfyClient(url) as client:
        schemas = client.http.get("/object_info").json()
        for make in (each for each in MIXING_GRAPHS + WORD_GRAPHS + DOOR_GRAPHS if not names or each.__name__ in names):
            demo = make(DEMO)
            write(make.__name__, demo, schemas)
            write(make.__name__ + SD15.suffix, make(SD15), schemas)
            picture = thumbnail(client, demo.nodes)
            files = [WORKFLOWS / f"{make.__name__}{suffix}.jpg" for suffix in (DEMO.suffix, SD15.suffix)]
            if any(f"(pictures/{make.__name__}.jpg)" in page.read_text() for page in HELP.glob("*.md")):
                files.append(HELP / "pictures" / f"{make.__name__}.jpg")
            for file in files:
                picture.save(file, quality=90)


if __name__ == "__main__":
    main()
