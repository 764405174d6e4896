"""`make workflows`: from each graph in workflows/api/ makes the one users drag in, and its thumbnail, by running it.

The API form is the one source: positions follow from the links, widget order from what the server says of each node.
"""

import io
import json
import textwrap
import uuid
from pathlib import Path

from comfy_client import ComfyClient
from comfy_server import PACK, comfy_server
from PIL import Image

WORKFLOWS = PACK / "workflows"
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
COLUMN, GAP, WIDTH, SLOT, TEXT = 380, 60, 315, 26, 90
THUMBNAIL = 256
NOTES = {
    "image_text": """
        **MagicMix, image and text.** The picture gives the layout, the content prompt says what it becomes.

        Load another picture, change the prompt, then move `nu`: towards 1 the prompt wins, towards 0 the layout.
        With your own SD1.5 checkpoint: load it instead of the demo checkpoint, scale to 512 x 512, cfg 7.5, k_max 0.6, k_min 0.3.
        """,
    "image_text_custom_sampler": """
        **The same mix in the core's modular sampling.** MagicMix Sampler turns any SAMPLER into one that mixes the layout in;
        guider, scheduler and noise are the core's. The latent sets size and batch only.
        """,
}


def widget_inputs(schema: dict) -> list[tuple[str, dict]]:
    """The inputs that are widgets, in the order in which a saved graph lists their values."""
    listed = [(name, spec) for group in ("required", "optional") for name, spec in schema["input"].get(group, {}).items()]
    return [(name, (spec[1:] or [{}])[0]) for name, spec in listed if isinstance(spec[0], list) or spec[0] in WIDGETS]


def widget_values(node: dict, schema: dict) -> list:
    values = []
    for name, options in widget_inputs(schema):
        values.append(node["inputs"][name])
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


def ui_graph(name: str, graph: dict, schemas: dict) -> dict:
    """The graph as the page saves it (schema 0.4)."""
    nodes, links = {}, []
    column_ends: dict[int, int] = {}
    column_of = columns(graph)
    for order, (node_id, node) in enumerate(sorted(graph.items(), key=lambda item: column_of[item[0]])):
        schema = schemas[node["class_type"]]
        widgets = widget_inputs(schema)
        sockets = [
            (key, spec[0])
            for group in ("required", "optional")
            for key, spec in schema["input"].get(group, {}).items()
            if key not in dict(widgets)
        ]
        multiline = any(options.get("multiline") for _, options in widgets)
        picture = node["class_type"] in ("LoadImage", "SaveImage")
        height = (
            SLOT * (1 + max(len(sockets), len(schema["output"])) + len(widget_values(node, schema))) + TEXT * multiline + WIDTH * picture
        )
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
            "inputs": [{"name": key, "type": kind, "link": None} for key, kind in sockets],
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
                source, source_slot = value
                entry["link"] = len(links) + 1
                nodes[source]["outputs"][source_slot]["links"].append(entry["link"])
                links.append([entry["link"], int(source), source_slot, int(target), slot, entry["type"]])
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
        "widgets_values": [textwrap.dedent(NOTES[name]).strip()],
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
        "extra": {},
        "version": 0.4,
    }


def thumbnail(client: ComfyClient, graph: dict) -> Image.Image:
    """The layout and what became of it, side by side."""
    run = client.run(graph)
    (saved,) = (output["images"][0] for output in run.outputs.values() if "images" in output)
    (layout,) = ({"filename": node["inputs"]["image"], "type": "input"} for node in graph.values() if node["class_type"] == "LoadImage")
    page = Image.new("RGB", (2 * THUMBNAIL, THUMBNAIL), "white")
    for x, entry in enumerate((layout, saved)):
        picture = Image.open(io.BytesIO(client.picture(entry))).convert("RGB")
        page.paste(picture.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BICUBIC), (x * THUMBNAIL, 0))
    return page


def main() -> None:
    with comfy_server() as url, ComfyClient(url) as client:
        schemas = client.http.get("/object_info").json()
        for file in sorted(WORKFLOWS.glob("api/*.json")):
            graph = json.loads(file.read_text())
            (WORKFLOWS / file.name).write_text(json.dumps(ui_graph(file.stem, graph, schemas), indent=1) + "\n")
            thumbnail(client, graph).save(Path(WORKFLOWS / f"{file.stem}.jpg"), quality=90)


if __name__ == "__main__":
    main()
