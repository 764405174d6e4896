"""Every graph that comes with the pack, through the API."""

import io
import json
from pathlib import Path

import pytest
from comfy_client import GraphError
from PIL import Image

WORKFLOWS = Path(__file__).parent.parent.parent / "workflows"
ALL = sorted(file.stem for file in WORKFLOWS.glob("api/*.json"))
STOCK = [name for name in ALL if name.endswith(("_sd15", "_sd35"))]
DEMO = [name for name in ALL if name not in STOCK]
STEPS = 16
"""Enough for a picture; the graphs' own 50 are run for their thumbnails."""


def api_form(name: str) -> dict:
    return json.loads((WORKFLOWS / "api" / f"{name}.json").read_text())


@pytest.mark.parametrize("name", DEMO)
def test_the_demo_flavour_runs_and_saves_pictures(client, name):
    graph = api_form(name)
    for node in graph.values():
        if "steps" in node["inputs"]:
            assert node["inputs"]["steps"] == 50
            node["inputs"]["steps"] = STEPS
    run = client.run(graph)
    for node_id, node in graph.items():
        if node["class_type"] == "SaveImage":
            (saved,) = run.outputs[node_id]["images"]
            picture = Image.open(io.BytesIO(client.picture(saved))).convert("RGB")
            assert max(high - low for low, high in picture.getextrema()) > 60, "not one flat colour"


def test_every_graph_for_the_demo_checkpoint_is_there_for_stable_diffusion_too():
    assert {f"{name}_sd15" for name in DEMO} <= set(STOCK)


@pytest.mark.parametrize("name", STOCK)
def test_the_stock_flavour_lacks_its_checkpoint_only(client, name):
    with pytest.raises(GraphError) as refused:
        client.queue(api_form(name))
    problems = [(node["class_type"], error["type"]) for node in refused.value.details["node_errors"].values() for error in node["errors"]]
    assert problems == [("CheckpointLoaderSimple", "value_not_in_list")]


@pytest.mark.parametrize("name", ALL)
def test_the_form_for_the_page_has_the_same_nodes_and_links(name):
    api, page = api_form(name), json.loads((WORKFLOWS / f"{name}.json").read_text())
    nodes = {str(node["id"]): node for node in page["nodes"] if node["type"] != "MarkdownNote"}
    assert {node_id: node["type"] for node_id, node in nodes.items()} == {node_id: node["class_type"] for node_id, node in api.items()}
    drawn = {
        (str(target), nodes[str(target)]["inputs"][slot]["name"]): [str(origin), output]
        for _, origin, output, target, slot, _ in page["links"]
    }
    links = {(node_id, name): value for node_id, node in api.items() for name, value in node["inputs"].items() if isinstance(value, list)}
    assert drawn == links
    assert (WORKFLOWS / f"{name}.jpg").is_file()


def test_the_server_offers_every_graph_with_its_thumbnail_as_a_template(client):
    """It serves one folder of a pack only, and would prefer one named `example` or `examples` to this one."""
    (offered,) = client.http.get("/workflow_templates").json().values()
    assert sorted(offered) == sorted(file.stem for file in WORKFLOWS.glob("*.json"))
    for name in offered:
        for suffix in (".json", ".jpg"):
            assert client.http.get(f"/api/workflow_templates/magicmix/{name}{suffix}").is_success, name
