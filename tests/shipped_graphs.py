"""The graphs that come with the pack, by name: those for the demo checkpoint run anywhere, the others name files that are not here."""

import json
from pathlib import Path

WORKFLOWS = Path(__file__).parent.parent / "workflows"
ENDINGS = ("_sd15", "_sdxl", "_sd35", "_flux", "_qwen_image", "_z_image")
"""Of those for the files of other models."""
ALL = sorted(file.stem for file in WORKFLOWS.glob("*.json"))
STOCK = [name for name in ALL if name.endswith(ENDINGS)]
DEMO = [name for name in ALL if name not in STOCK]
OF_THE_TRANSFORMER = [name for name in DEMO if name.endswith("_transformer") or name == "flow_edit"]
SIDE = 80
"""Pixels, a quarter as many as the demo model's own: enough where it is not judged what a picture shows."""


def light_graph(name: str, steps: int | None = None) -> dict:
    """A graph in the API's form that draws small pictures, in so many steps if that is said."""
    graph = json.loads((WORKFLOWS / "api" / f"{name}.json").read_text())
    for node in graph.values():
        changes = {"width": SIDE, "height": SIDE} | ({} if steps is None else {"steps": steps})
        node["inputs"] |= {key: value for key, value in changes.items() if key in node["inputs"]}
    return graph
