"""Every graph that comes with the pack, through the API."""

import io
import json

import pytest
from comfy_client import GraphError
from PIL import Image
from shipped_graphs import ALL, DEMO, OF_THE_TRANSFORMER, STOCK, WORKFLOWS, light_graph

STEPS = 6
"""Enough for a picture; the graphs' own are drawn for their thumbnails."""


def api_form(name: str) -> dict:
    return json.loads((WORKFLOWS / "api" / f"{name}.json").read_text())


@pytest.mark.parametrize("name", DEMO)
def test_the_demo_flavour_runs_and_saves_pictures(client, name):
    assert {node["inputs"].get("steps", 25) for node in api_form(name).values()} == {25}
    graph = light_graph(name, STEPS)
    run = client.run(graph)
    for node_id, node in graph.items():
        if node["class_type"] == "SaveImage":
            (saved,) = run.outputs[node_id]["images"]
            picture = Image.open(io.BytesIO(client.picture(saved))).convert("RGB")
            assert max(high - low for low, high in picture.getextrema()) > 60, "not one flat colour"


def test_every_graph_for_the_demo_checkpoint_is_there_for_stable_diffusion_too():
    assert {f"{name}_sd15" for name in DEMO if name not in OF_THE_TRANSFORMER} <= set(STOCK)


@pytest.mark.parametrize("name", STOCK)
def test_the_stock_flavour_lacks_its_files_only(client, name):
    graph = api_form(name)
    with pytest.raises(GraphError) as refused:
        client.queue(graph)
    problems = [
        (node_id, error["extra_info"].get("input_name"), error["type"])
        for node_id, node in refused.value.details["node_errors"].items()
        for error in node["errors"]
    ]
    files = [
        (node_id, key) for node_id, node in graph.items() for key, value in node["inputs"].items() if str(value).endswith(".safetensors")
    ]
    assert files and sorted(problems) == sorted((*file, "value_not_in_list") for file in files)


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
