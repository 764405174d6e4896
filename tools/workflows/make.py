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
from PIL import Image
from transformer_graphs import TRANSFORMER_GRAPHS
from word_graphs import WORD_GRAPHS

WORKFLOWS = PACK / "workflows"
SUBGRAPHS = PACK / "subgraphs"
HELP = PACK / "web" / "docs"
GRAPHS = MIXING_GRAPHS + LAYOUT_GRAPHS + WORD_GRAPHS + MASK_GRAPHS + DOOR_GRAPHS
THUMBNAIL = 256


def is_sheet(graph: dict) -> bool:
    return any(node["class_type"] == "ContactSheet" for node in graph.values())


def thumbnail(client: ComfyClient, graph: dict) -> Image.Image:
    """What the graph saves; beside the layout, where that is a picture and the result is not a sheet."""
    run = client.run(graph)
    saved = [run.outputs[node_id]["images"][0] for node_id, node in graph.items() if node["class_type"] == "SaveImage"]
    sheet = is_sheet(graph)
    loaded = [{"filename": node["inputs"]["image"], "type": "input"} for node in graph.values() if node["class_type"] == "LoadImage"]
    shown = ("MagicMixSamplePicture", "PreviewImage")
    previewed = [run.outputs[node_id]["images"][0] for node_id, node in graph.items() if node["class_type"] in shown]
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
            aspect = sheet.height / sheet.width if is_sheet(demo.nodes) else 1.0
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
            write(name, graph, schemas, sheet.height / sheet.width if is_sheet(graph.nodes) else 1.0)


if __name__ == "__main__":
    main()
