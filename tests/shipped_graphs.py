"""The graphs that come with the pack, by name: those for the demo checkpoint run anywhere, the others name files that are not here."""

from pathlib import Path

WORKFLOWS = Path(__file__).parent.parent / "workflows"
ENDINGS = ("_sd15", "_sdxl", "_sd35", "_flux", "_qwen_image", "_z_image")
"""Of those for the files of other models."""
ALL = sorted(file.stem for file in WORKFLOWS.glob("*.json"))
STOCK = [name for name in ALL if name.endswith(ENDINGS)]
DEMO = [name for name in ALL if name not in STOCK]
OF_THE_TRANSFORMER = [name for name in DEMO if name.endswith("_transformer") or name == "flow_edit"]
