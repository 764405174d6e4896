"""A graph as ComfyUI's page saves it (schema 0.4)."""

import textwrap
import uuid

from arranging import TITLE, arrange, node_size
from building import Graph

WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
QWEN_IMAGE_FILES = "https://huggingface.co/Comfy-Org/Qwen-Image_ComfyUI/resolve/main/split_files"
Z_IMAGE_FILES = "https://huggingface.co/Comfy-Org/z_image_turbo/resolve/main/split_files"
MODELS = {
    "v1-5-pruned-emaonly-fp16.safetensors": {
        "url": "https://huggingface.co/Comfy-Org/stable-diffusion-v1-5-archive/resolve/main/v1-5-pruned-emaonly-fp16.safetensors",
        "directory": "checkpoints",
    },
    "sd_xl_base_1.0.safetensors": {
        "url": "https://huggingface.co/stabilityai/stable-diffusion-xl-base-1.0/resolve/main/sd_xl_base_1.0.safetensors",
        "directory": "checkpoints",
    },
    "sd3.5_medium_incl_clips_t5xxlfp8scaled.safetensors": {
        "url": "https://huggingface.co/Comfy-Org/stable-diffusion-3.5-fp8/resolve/main/sd3.5_medium_incl_clips_t5xxlfp8scaled.safetensors",
        "directory": "checkpoints",
    },
    "flux1-dev.safetensors": {
        "url": "https://huggingface.co/Comfy-Org/flux1-dev/resolve/main/flux1-dev.safetensors",
        "directory": "diffusion_models",
    },
    "clip_l.safetensors": {
        "url": "https://huggingface.co/comfyanonymous/flux_text_encoders/resolve/main/clip_l.safetensors",
        "directory": "text_encoders",
    },
    "t5xxl_fp16.safetensors": {
        "url": "https://huggingface.co/comfyanonymous/flux_text_encoders/resolve/main/t5xxl_fp16.safetensors",
        "directory": "text_encoders",
    },
    "ae.safetensors": {
        "url": "https://huggingface.co/Comfy-Org/Lumina_Image_2.0_Repackaged/resolve/main/split_files/vae/ae.safetensors",
        "directory": "vae",
    },
    "qwen_image_fp8_e4m3fn.safetensors": {
        "url": f"{QWEN_IMAGE_FILES}/diffusion_models/qwen_image_fp8_e4m3fn.safetensors",
        "directory": "diffusion_models",
    },
    "qwen_2.5_vl_7b_fp8_scaled.safetensors": {
        "url": f"{QWEN_IMAGE_FILES}/text_encoders/qwen_2.5_vl_7b_fp8_scaled.safetensors",
        "directory": "text_encoders",
    },
    "qwen_image_vae.safetensors": {
        "url": f"{QWEN_IMAGE_FILES}/vae/qwen_image_vae.safetensors",
        "directory": "vae",
    },
    "z_image_turbo_bf16.safetensors": {
        "url": f"{Z_IMAGE_FILES}/diffusion_models/z_image_turbo_bf16.safetensors",
        "directory": "diffusion_models",
    },
    "qwen_3_4b.safetensors": {
        "url": f"{Z_IMAGE_FILES}/text_encoders/qwen_3_4b.safetensors",
        "directory": "text_encoders",
    },
}
"""Where the page finds models that a graph names and its user may not have."""


def widget_inputs(schema: dict) -> list[tuple[str, str, dict]]:
    """Names, types and options of the inputs that are widgets, in the order in which a saved graph lists their values."""
    listed = [(name, spec) for group in ("required", "optional") for name, spec in schema["input"].get(group, {}).items()]
    kinds = [(name, "COMBO" if isinstance(spec[0], list) else spec[0], (spec[1:] or [{}])[0]) for name, spec in listed]
    return [(name, kind, options) for name, kind, options in kinds if kind in WIDGETS]


def widget_values(node: dict, schema: dict) -> list:
    values = []
    for name, _, options in widget_inputs(schema):
        value = node["inputs"][name]
        values.append(options.get("default") if isinstance(value, list) else value)  # a linked widget keeps its place
        if options.get("control_after_generate"):
            values.append("fixed")
        if options.get("image_upload"):
            values.append("image")
    return values


def fill_in(graph: Graph, schemas: dict) -> None:
    """Gives nodes without a heading their usual one, and widgets without a value the default, as the page does when it opens a graph."""
    for node in graph.nodes.values():
        schema = schemas[node["class_type"]]
        node["_meta"]["title"] = node["_meta"]["title"] or schema["display_name"] or node["class_type"]
        for key, _, options in widget_inputs(schema):
            if key not in node["inputs"] and "default" in options:
                node["inputs"][key] = options["default"]


def properties(node: dict) -> dict:
    models = [{"name": value} | MODELS[value] for value in node["inputs"].values() if isinstance(value, str) and value in MODELS]
    return {"Node name for S&R": node["class_type"]} | ({"models": models} if models else {})


def ui_graph(name: str, source: Graph, schemas: dict, aspect: float) -> dict:
    """The graph, titles filled in, with its note and groups; `aspect` is the height of the picture it saves to its width."""
    graph, nodes, links = source.nodes, {}, []
    sizes = {
        node_id: node_size(node, schemas[node["class_type"]], widget_inputs(schemas[node["class_type"]]), aspect)
        for node_id, node in graph.items()
    }
    arrangement = arrange(source, sizes)
    for order, node_id in enumerate(arrangement.boxes):
        node, (left, top, width, height) = graph[node_id], arrangement.boxes[node_id]
        schema = schemas[node["class_type"]]
        widgets = {name for name, _, _ in widget_inputs(schema)}
        sockets = [
            {"name": key, "type": spec[0], "link": None} | ({"widget": {"name": key}} if key in widgets else {})
            for group in ("required", "optional")
            for key, spec in schema["input"].get(group, {}).items()
            if key not in widgets or isinstance(node["inputs"].get(key), list)
        ]
        nodes[node_id] = {
            "id": int(node_id),
            "type": node["class_type"],
            "pos": [round(left), round(top) + TITLE],
            "size": [round(width), round(height) - TITLE],
            "flags": {},
            "order": order,
            "mode": 0,
            "inputs": sockets,
            "outputs": [
                {"name": label, "type": kind, "links": []} for label, kind in zip(schema["output_name"], schema["output"], strict=True)
            ],
            "properties": properties(node),
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
    left, top, width, height = map(round, arrangement.note)
    note = {
        "id": note_id,
        "type": "MarkdownNote",
        "pos": [left, top + TITLE],
        "size": [width, height - TITLE],
        "flags": {},
        "order": len(nodes),
        "mode": 0,
        "inputs": [],
        "outputs": [],
        "properties": {},
        "widgets_values": [textwrap.dedent(source.note).strip()],
    }
    groups = [
        {"id": number, "title": title, "bounding": list(map(round, box)), "color": colour, "font_size": 24, "flags": {}}
        for number, (title, box, colour) in enumerate(arrangement.groups, 1)
    ]
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"comfyui-magicmix/{name}")),
        "revision": 0,
        "last_node_id": note_id,
        "last_link_id": len(links),
        "nodes": [*nodes.values(), note],
        "links": links,
        "groups": groups,
        "config": {},
        "extra": {"ds": {key: arrangement.view[key] for key in ("scale", "offset")}},
        "version": 0.4,
    }
