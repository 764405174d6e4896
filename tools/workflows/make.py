"""`make workflows`: writes every graph as people drag it in, as the HTTP API takes it, and with a thumbnail; the help pages' pictures; blueprints.

Positions follow from the links, the order of widgets from what the server says of each node; thumbnails come from running the
demo flavour, which all others share; the transformer's graphs have their own, and those of graphs
without one are the figures' (`make figures`). `--keep-pictures` leaves those as they are, where only texts or places have changed.
"""

import argparse
import io
import json
import shutil
import sys
from pathlib import Path

sys.path += [str(Path(__file__).resolve().parents[2] / folder) for folder in (".", "tools", "api_examples")]

from blueprint_form import blueprint_form
from blueprints import BLUEPRINTS
from building import DEMO, SD15, Graph
from comfy_client import ComfyClient
from comfy_server import PACK, comfy_server
from door_graphs import DOOR_GRAPHS
from families import FAMILY_GRAPHS, SD35
from flow_graphs import FLOW_GRAPHS
from layout_graphs import LAYOUT_GRAPHS
from mask_graphs import MASK_GRAPHS
from mixing_graphs import MIXING_GRAPHS
from page_form import fill_in, ui_graph
from PIL import Image, ImageOps
from transformer_graphs import TRANSFORMER_GRAPHS
from word_graphs import WORD_GRAPHS

WORKFLOWS = PACK / "workflows"
SUBGRAPHS = PACK / "subgraphs"
HELP = PACK / "web" / "docs"
GRAPHS = MIXING_GRAPHS + LAYOUT_GRAPHS + WORD_GRAPHS + MASK_GRAPHS + DOOR_GRAPHS
THUMBNAIL, GAP = 256, 8
SHOWN = ("MagicMixSamplePicture", "PreviewImage")
"""Nodes that show the layout."""


def is_sheet(graph: dict) -> bool:
    return any(node["class_type"] == "ContactSheet" for node in graph.values())


def thumbnail(client: ComfyClient, graph: dict) -> Image.Image:
    """What the graph saves, beside the layout where that is a picture."""
    run = client.run(graph)
    saved = [run.outputs[node_id]["images"][0] for node_id, node in graph.items() if node["class_type"] == "SaveImage"]
    sheet = is_sheet(graph)
    loaded = [{"filename": node["inputs"]["image"], "type": "input"} for node in graph.values() if node["class_type"] == "LoadImage"]
    previewed = [run.outputs[node_id]["images"][0] for node_id, node in graph.items() if node["class_type"] in SHOWN]
    pictures = [
        Image.open(io.BytesIO(client.picture(entry))).convert("RGB") for entry in [*loaded, *previewed, *(saved[-1:] if sheet else saved)]
    ]
    if sheet:
        return beside(pictures[:-1], pictures[-1])
    page = Image.new("RGB", (len(pictures) * THUMBNAIL, THUMBNAIL), "white")
    for number, picture in enumerate(pictures):
        page.paste(ImageOps.pad(picture, (THUMBNAIL, THUMBNAIL), color="white"), (number * THUMBNAIL, 0))
    return page


def beside(layouts: list[Image.Image], sheet: Image.Image) -> Image.Image:
    """A sheet to the right of its layout, if that is a picture."""
    sheet.thumbnail((4 * THUMBNAIL, 4 * THUMBNAIL))
    column = layout_column(len(layouts), sheet.height)
    page = Image.new("RGB", (column + sheet.width, sheet.height), "white")
    page.paste(sheet, (column, 0))
    for picture in layouts:
        side = column - GAP
        page.paste(picture.resize((side, side), Image.Resampling.BICUBIC), (0, (page.height - side) // 2))
    return page


def layout_column(count: int, height: int) -> int:
    """The width of what stands to the left of a sheet of this height."""
    return min(height, THUMBNAIL * 3 // 4) + GAP if count else 0


def sheet_aspect(page: Image.Image, graph: dict) -> float:
    """Height by width of the sheet on a thumbnail."""
    count = sum(node["class_type"] in SHOWN or node["class_type"] == "LoadImage" for node in graph.values())
    return page.height / (page.width - layout_column(count, page.height))


def write(name: str, graph: Graph, schemas: dict, aspect: float) -> None:
    fill_in(graph, schemas)
    (WORKFLOWS / "api").mkdir(parents=True, exist_ok=True)
    lines = (f"  {json.dumps(node_id)}: {json.dumps(node)}" for node_id, node in graph.nodes.items())
    (WORKFLOWS / "api" / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    (WORKFLOWS / f"{name}.json").write_text(json.dumps(ui_graph(name, graph, schemas, aspect), indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="graphs to write; all of them if none is named")
    parser.add_argument("--keep-pictures", action="store_true", help="run no graph")
    arguments = parser.parse_args()
    with comfy_server() as url, ComfyClient(url) as client:
        schemas = client.http.get("/object_info").json()
        SUBGRAPHS.mkdir(exist_ok=True)
        for name, blueprint in BLUEPRINTS.items():
            form = blueprint_form(name, blueprint(), schemas)
            (SUBGRAPHS / f"{name}.json").write_text(json.dumps(form, indent=1) + "\n")
        for make in (each for each in GRAPHS if not arguments.names or each.__name__ in arguments.names):
            made = {flavour.suffix: make(flavour) for flavour in (DEMO, SD15, *(family for each, family in FAMILY_GRAPHS if each is make))}
            demo = made[DEMO.suffix]
            files = [WORKFLOWS / f"{make.__name__}{suffix}.jpg" for suffix in made]
            picture = None if arguments.keep_pictures and files[0].is_file() else thumbnail(client, demo.nodes)
            if any(f"(pictures/{make.__name__}.jpg)" in page.read_text() for page in HELP.glob("*.md")):
                files.append(HELP / "pictures" / f"{make.__name__}.jpg")
            for file in files:
                if picture:
                    picture.save(file, quality=90)
                elif not file.is_file():  # a new flavour
                    shutil.copy(files[0], file)
            sheet = picture or Image.open(files[0])
            aspect = sheet_aspect(sheet, demo.nodes) if is_sheet(demo.nodes) else 1.0
            for suffix, graph in made.items():
                write(make.__name__ + suffix, graph, schemas, aspect)
        for make in (each for each in FLOW_GRAPHS if not arguments.names or each.__name__ in arguments.names):
            write(make.__name__ + SD35.suffix, make(SD35), schemas, 1.0)
        for make, flavour in TRANSFORMER_GRAPHS:
            name, graph = make.__name__ + flavour.suffix, make(flavour)
            if arguments.names and name not in arguments.names:
                continue
            file = WORKFLOWS / f"{name}.jpg"
            if not (arguments.keep_pictures and file.is_file()):
                thumbnail(client, graph.nodes).save(file, quality=90)
            sheet = Image.open(file)
            write(name, graph, schemas, sheet_aspect(sheet, graph.nodes) if is_sheet(graph.nodes) else 1.0)


if __name__ == "__main__":
    main()
