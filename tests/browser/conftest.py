"""The real page in a real Chromium, in both of its renderers; pictures of what was seen are kept in out/browser."""

import json
from pathlib import Path

import httpx
import pytest
from chromium import launched_chromium
from comfy_page import ComfyPage
from comfy_server import PACK, comfy_server

RENDERERS = ["classic", "nodes_2"]


@pytest.fixture(scope="session")
def browser():
    with launched_chromium() as launched:
        yield launched


@pytest.fixture(scope="session")
def url(browser):
    with comfy_server() as address:
        yield address


@pytest.fixture(scope="session")
def object_info(url):
    """What the server says of the pack's nodes, by id."""
    listed = httpx.get(f"{url}/object_info").raise_for_status().json()
    return {node_id: info for node_id, info in listed.items() if info["category"] == "MagicMix"}


@pytest.fixture(scope="session")
def opened(browser, url):
    """`opened(renderer)`: the one page of all tests in that renderer."""
    pages = {}

    def get(renderer: str) -> ComfyPage:
        if renderer not in pages:
            pages[renderer] = ComfyPage.open(browser, url, vue=renderer == "nodes_2")
        return pages[renderer]

    return get


def _fresh(page: ComfyPage) -> ComfyPage:
    page.dismiss()
    page.errors.clear()
    return page


@pytest.fixture
def page(opened):
    """The page in the classic renderer, without what earlier tests left open."""
    return _fresh(opened("classic"))


@pytest.fixture(params=RENDERERS)
def either_page(request, opened):
    """The page, in one renderer and then in the other."""
    return _fresh(opened(request.param))


@pytest.fixture(scope="session")
def workflow():
    """`workflow(name)`: a shipped graph as the page saves it."""
    return lambda name: json.loads((PACK / "workflows" / f"{name}.json").read_text())


@pytest.fixture(scope="session")
def api_form():
    """`api_form(name)`: the same for the HTTP API, without its titles."""

    def read(name: str) -> dict:
        graph = json.loads((PACK / "workflows" / "api" / f"{name}.json").read_text())
        return {node_id: {"class_type": node["class_type"], "inputs": node["inputs"]} for node_id, node in graph.items()}

    return read


@pytest.fixture
def keep(request):
    """`keep(page)`: its picture, under the test's name."""
    folder = PACK / "out" / "browser"
    folder.mkdir(parents=True, exist_ok=True)

    def save(shown: ComfyPage) -> Path:
        file = folder / f"{request.node.name.removeprefix('test_').replace('[', '-').rstrip(']')}.png"
        shown.screenshot(file)
        return file

    return save
