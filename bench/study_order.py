"""What the order of a study saves: calls of the UNet and checkpoints loaded per picture, by the study's order and by naive ones.

Two checkpoints (the demo's, twice) x 3 layouts, each followed back to its noise (2 refinements) x 2 prompts x 5 nus. Calls of the UNet
grow with the steps in every order alike.
"""

import argparse
import json

from study_runs import FIRST, PACK, per_picture, run_study, study_folder

LAYOUTS = json.dumps([str(PACK / "demo_model" / "layouts" / f"{name}.png") for name in ("castle", "donut", "car")])
STUDY = """
{order}
[[vary]]
node = "Checkpoint"
input = "copy"
values = [1, 2]
[[vary]]
name = "layout"
node = "LoadImage"
input = "image"
files = {layouts}
[[vary]]
name = "prompt"
node = "Content prompt"
input = "text"
values = ["a fox", "a robot"]
[[vary]]
node = "MagicMixKSampler"
input = "nu"
values = [0.5, 0.6, 0.7, 0.8, 0.9]
"""
ORDERS = {
    "the study's own": "",
    "nu outermost, layouts innermost": 'order = ["nu", "prompt", "copy", "layout"]',
    "nu outermost, checkpoints innermost": 'order = ["nu", "prompt", "layout", "copy"]',
}


def graph(steps: int) -> dict:
    """The shipped graph that inverts a picture, shortened, with a checkpoint that can be varied."""
    made = json.loads((PACK / "workflows" / "api" / "inversion_layout.json").read_text())
    for node in made.values():
        if node["class_type"] == "MagicMixDemoCheckpoint":
            node |= {"class_type": "DemoCheckpointCopy", "inputs": {"copy": 1}, "_meta": {"title": "Checkpoint"}}
        if "steps" in node["inputs"]:
            node["inputs"]["steps"] = steps
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    for workers in options.workers:
        for name, order in ORDERS.items():
            with study_folder(graph(options.steps), STUDY.format(order=order, layouts=LAYOUTS)) as folder:
                measured = run_study(folder, "out", "--workers", workers, "--count")
            rows = sorted(measured.rows, key=lambda row: row["started"])[FIRST:]  # the first ten are spread, whatever the order
            calls, loads = per_picture(rows, "unet_calls"), per_picture(rows, "checkpoint_loads")
            print(
                f"{workers} workers, order {name}: {calls:.2f} UNet calls and {loads:.3f} checkpoints loaded per picture ({len(rows)} pictures)",
                flush=True,
            )


if __name__ == "__main__":
    main()
