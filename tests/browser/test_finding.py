"""The search and the library find the nodes."""

import re
from pathlib import Path

import pytest
from comfy_page import ComfyPage
from playwright.sync_api import Locator, expect

PAGES = sorted((Path(__file__).parent.parent.parent / "web" / "docs").glob("*.md"))
TITLES = {page.stem: page.read_text().splitlines()[0].removeprefix("# ") for page in PAGES}


def search(page: ComfyPage, text: str) -> Locator:
    """What the search offers for a text typed after a double click on the empty canvas."""
    page.clear()
    box = page.page.get_by_placeholder("Search Nodes...")
    for _ in range(5):  # on a busy machine two clicks may come too late to be a double click
        page.page.locator("#graph-canvas").dblclick(position={"x": 800, "y": 800})
        page.page.wait_for_timeout(300)
        if box.count():
            break
    expect(box).to_be_focused()
    page.page.keyboard.type(text)
    return page.page.locator(".p-autocomplete-option")


def titled(title: str) -> re.Pattern:
    """An option's text: the title, then where the node comes from."""
    return re.compile(rf"^\s*{re.escape(title)}\s")


def test_help_pages_are_titled_as_their_nodes(object_info):
    assert {node_id: info["display_name"] for node_id, info in object_info.items()} == TITLES


@pytest.mark.parametrize("node_id", TITLES)
def test_the_search_finds_a_node_by_its_name_and_adds_it(page, node_id):
    search(page, TITLES[node_id]).filter(has_text=titled(TITLES[node_id])).click()
    page.page.wait_for_function("() => app.graph._nodes.length === 1")
    assert len(page.find(node_id)) == 1


@pytest.fixture(scope="module")
def found_by_the_packs_name(opened):
    page = opened("classic")
    options = search(page, "magicmix")
    expect(options.filter(has_text=titled("MagicMix Sampler"))).to_be_visible()
    texts = options.all_inner_texts()
    page.page.keyboard.press("Escape")
    return {node_id for node_id, title in TITLES.items() if any(titled(title).match(text) for text in texts)}


@pytest.mark.parametrize("node_id", TITLES)
def test_the_search_finds_a_node_by_the_packs_name(found_by_the_packs_name, node_id):
    assert node_id in found_by_the_packs_name


def test_the_node_library_lists_all_nodes_in_one_folder(page, keep):
    button = page.page.locator(".node-library-tab-button")
    button.click()
    library = page.page.locator(".sidebar-content-container")
    library.get_by_text("MagicMix", exact=True).click()
    for title in TITLES.values():
        expect(library.get_by_text(title, exact=True)).to_be_visible()
    keep(page)
    button.click()
    expect(library).to_have_count(0)
