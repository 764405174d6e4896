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
    box = page.page.get_by_placeholder(re.compile(r"Search Nodes|Add a node"))
    for _ in range(5):  # on a busy machine two clicks may come too late to be a double click
        page.page.locator("#graph-canvas").dblclick(position={"x": 800, "y": 800})
        page.page.wait_for_timeout(300)
        if box.count():
            break
    expect(box).to_be_focused()
    page.page.keyboard.type(text)
    return page.page.locator(".p-autocomplete-option, [data-testid=result-item]")


def option(options: Locator, title: str) -> Locator:
    """That of a title, which comes first in it; then where the node comes from, and more."""
    return options.filter(has_text=re.compile(rf"^\s*{re.escape(title)}"))


def test_help_pages_are_titled_as_their_nodes(object_info):
    assert {node_id: info["display_name"] for node_id, info in object_info.items()} == TITLES


@pytest.mark.parametrize("node_id", TITLES)
def test_the_search_finds_a_node_by_its_name_and_adds_it(page, node_id):
    option(search(page, TITLES[node_id]), TITLES[node_id]).click()
    page.page.wait_for_function("() => app.graph._nodes.length === 1")
    assert len(page.find(node_id)) == 1


@pytest.fixture(scope="module")
def found_by_the_packs_name(opened):
    page = opened("classic")
    options = search(page, "magicmix")
    expect(option(options, "MagicMix Sampler")).to_be_visible()
    found = {node_id for node_id, title in TITLES.items() if option(options, title).count()}
    page.page.keyboard.press("Escape")
    return found


@pytest.mark.parametrize("node_id", TITLES)
def test_the_search_finds_a_node_by_the_packs_name(found_by_the_packs_name, node_id):
    assert node_id in found_by_the_packs_name


def test_the_node_library_lists_all_nodes_in_one_folder(page, keep):
    with page.library() as library:
        library.get_by_text("MagicMix", exact=True).click()
        for title in TITLES.values():
            expect(library.get_by_text(title, exact=True)).to_be_visible()
        keep(page)
