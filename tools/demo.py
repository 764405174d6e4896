"""`make demo`: mixes images with prompts in a real ComfyUI over its HTTP API and leaves the pictures in out/."""

import copy
import io
import json
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import skimage.data
import torch
from comfy_server import PACK, comfy_server
from PIL import Image
from tqdm import tqdm

sys.path += [str(PACK), str(PACK / "api_examples")]

from comfy_client import ComfyClient, GraphError

from nodes.sheet import draw_sheet

OUT = PACK / "out"
LAYOUTS = PACK / "demo_model" / "layouts"
NUS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class Pair:
    """A layout image and a content prompt."""

    name: str
    layout: Path
    prompt: str


def photograph(folder: Path) -> Path:
    """A cup of coffee by Rachel Michetti, CC0, as scikit-image ships it; cut to the cup."""
    Image.fromarray(skimage.data.coffee()[20:380, 130:490]).save(folder / "coffee_photo.png")
    return folder / "coffee_photo.png"


def pairs(folder: Path) -> list[Pair]:
    return [
        Pair("watermelon-lion", LAYOUTS / "watermelon.png", "a lion"),
        Pair("donut-frog", LAYOUTS / "donut.png", "a frog"),
        Pair("house-robot", LAYOUTS / "house.png", "a robot"),
        Pair("castle-cake", LAYOUTS / "castle.png", "a birthday cake"),
        Pair("photo-donut", photograph(folder), "a donut"),
    ]


def graph_for(template: dict, image: str, pair: Pair, nu: float) -> dict:
    """The shipped graph with this pair and this nu in it, and the paper's K."""
    graph = copy.deepcopy(template)
    by_title = {node["_meta"]["title"]: node["inputs"] for node in graph.values()}
    by_title["Layout image"]["image"] = image
    by_title["Content prompt"]["text"] = pair.prompt
    by_title["MagicMix Interpolating KSampler"].update(nu=nu, k_max=0.6, k_min=0.3)
    return graph


def mix(client: ComfyClient, graph: dict, title: str) -> Image.Image:
    """Queues `graph`, shows its sampling steps as they come, and returns the picture it saves."""
    with tqdm(desc=f"{title:28}", unit="step", leave=False, disable=None) as bar:

        def show(kind: str, data: dict) -> None:
            if kind == "progress":
                bar.total = data["max"]
                bar.update(data["value"] - bar.n)

        run = client.run(graph, show)
    (picture,) = client.pictures(run)
    return Image.open(io.BytesIO(picture)).convert("RGB")


def save_sheet(pictures: list[Image.Image], labels: list[str], file: Path) -> None:
    """A row for each layout: the layout itself, then the mix for each nu."""
    side = max(picture.width for picture in pictures[1:])
    tiles = [torch.from_numpy(np.array(picture.resize((side, side), Image.Resampling.LANCZOS))) / 255 for picture in pictures]
    (page,), _ = draw_sheet(tiles, labels, columns=1 + len(NUS))
    Image.fromarray((page * 255).round().byte().numpy()).save(file)


def main() -> None:
    # Ended from outside, the server still has to be stopped: leave by an exception, as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    template = json.loads((PACK / "workflows" / "api" / "image_text.json").read_text())
    print("Starting ComfyUI ...", flush=True)
    pictures, labels = [], []
    with tempfile.TemporaryDirectory() as folder, comfy_server() as url, ComfyClient(url) as client:
        for pair in pairs(Path(folder)):
            image = client.upload(pair.layout)
            (OUT / pair.name).mkdir(parents=True, exist_ok=True)
            row, captions = [Image.open(pair.layout).convert("RGB")], ["layout"]
            for nu in NUS:
                picture = mix(client, graph_for(template, image, pair, nu), f"{pair.name}, nu = {nu:g}")
                picture.save(OUT / pair.name / f"nu-{nu:g}.png")
                row.append(picture)
                captions.append(f"{pair.prompt}, nu {nu:g}")
            save_sheet(row, captions, OUT / f"{pair.name}.png")
            print(OUT / f"{pair.name}.png", flush=True)
            pictures += row
            labels += captions
    save_sheet(pictures, labels, OUT / "demo.png")
    print(f"{OUT / 'demo.png'} (all of them; single pictures in the folders beside it)")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("stopped")
    except GraphError as error:
        sys.exit(str(error))
