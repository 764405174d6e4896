"""Every graph that comes with the pack opens in the page without a word and says there what it says over the API."""

import pytest
from comfy_page import ComfyPage
from comfy_server import comfy_server
from shipped_graphs import ALL, STOCK

FOLDERS = {"ckpt_name": "checkpoints", "unet_name": "diffusion_models", "vae_name": "vae"}
FOLDERS |= dict.fromkeys(("clip_name", "clip_name1", "clip_name2"), "text_encoders")
"""Where files go, by the inputs that name them."""


@pytest.mark.parametrize("name", ALL)
def test_a_graph_opens_without_complaint_and_is_the_one_for_the_api(either_page, workflow, api_form, name):
    either_page.load(workflow(name))
    complaints = either_page.complaints()
    if name in STOCK:  # its user is told of the files, and where they go
        said = complaints.pop(0) if complaints else ""
        inputs = [node["inputs"] for node in api_form(name).values()]
        files = {key: value for each in inputs for key, value in each.items() if str(value).endswith(".safetensors")}
        assert files and all(file in said and FOLDERS[key] in said for key, file in files.items())
    assert complaints == []
    assert either_page.unknown_nodes() == []
    assert [error for error in either_page.errors if "fetching file size" not in error] == []  # of the checkpoint, from the internet
    assert either_page.overlaps() == [] and either_page.strangers() == []
    assert either_page.exported() == api_form(name)


def test_the_page_would_complain_of_an_unknown_node(either_page, workflow):
    graph = workflow("image_text")
    graph["nodes"][0]["type"] = "NoSuchNode"
    either_page.load(graph)
    assert either_page.unknown_nodes() == ["NoSuchNode"]
    (said,) = either_page.complaints()
    assert "NoSuchNode" in said


def test_the_page_would_complain_of_a_broken_schema(either_page, workflow):
    graph = workflow("image_text")
    graph["nodes"][0]["pos"] = "here"
    either_page.load(graph)
    (said,) = either_page.complaints()
    assert "Invalid workflow" in said and "nodes[0].pos" in said


def test_overlapping_nodes_would_be_seen(either_page, workflow):
    graph = workflow("image_text")
    graph["nodes"][1]["pos"] = graph["nodes"][0]["pos"]
    either_page.load(graph)
    (pair,) = either_page.overlaps()
    assert set(pair) == {"Layout image", "Load MagicMix Demo Checkpoint"}


def test_the_pack_adds_no_error_to_the_page(browser, url):
    with_pack = ComfyPage.open(browser, url)
    with comfy_server("--disable-all-custom-nodes") as bare_url:
        without = ComfyPage.open(browser, bare_url)
    assert not without.page.evaluate("() => 'MagicMixKSampler' in LiteGraph.registered_node_types")
    assert sorted(set(with_pack.errors) - set(without.errors)) == []
    for opened in (with_pack, without):
        opened.page.close()
