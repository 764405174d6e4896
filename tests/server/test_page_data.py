"""What runs tell the page besides pictures: where a sheet's cells are, and the maps to lay over a picture."""

import io
import json

import pytest
from comfy_server import PACK
from PIL import Image

from demo_model import SIDES


@pytest.fixture
def ran(client):
    """`ran(name, {node type: changes})`: the outputs of a shipped graph by node type, so changed."""

    def run(name, **changes):
        graph = json.loads((PACK / "workflows" / "api" / f"{name}.json").read_text())
        for node in graph.values():
            node["inputs"] |= {"steps": 2} if "steps" in node["inputs"] else {}
            node["inputs"] |= changes.get(node["class_type"], {})
        outputs = client.run(graph).outputs
        return {graph[node_id]["class_type"]: output for node_id, output in outputs.items()}

    return run


@pytest.fixture
def picture_of(client):
    return lambda entry: Image.open(io.BytesIO(client.picture(entry)))


def test_a_sheet_says_where_its_cells_are(ran, picture_of):
    outputs = ran("nu_sheet", ValueGrid={"x_values": "0, 1", "y_values": "0.2"})
    (places,) = outputs["ContactSheet"]["magicmix_sheet"]
    sheet = picture_of(outputs["SaveImage"]["images"][0])
    assert places["size"] == list(sheet.size) and len(places["cells"]) == len(places["labels"]) == 2
    paper = sheet.getpixel((0, 0))
    for left, top, width, height in places["cells"]:
        assert sheet.crop((left - 4, top, left, top + height)).getcolors() == [(4 * height, paper)], "paper beside the cell"
        assert len(sheet.crop((left, top, left + width, top + height)).getcolors(1 << 24)) > 100


def test_maps_come_with_their_picture_and_words(ran, picture_of):
    outputs = ran("heat_maps")
    (maps,) = outputs["CrossAttnMaps"]["magicmix_maps"]
    height, width = maps["size"]
    assert maps["words"] == ["cat", "car"] and len(maps["heat"]) == len(maps["pictures"]) == 1
    assert [(len(heat), min(heat) >= 0, max(heat)) for heat in maps["heat"][0]] == [(height * width, True, 255)] * 2
    assert picture_of(maps["pictures"][0]).size == (SIDES["unet"],) * 2
