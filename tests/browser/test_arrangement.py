"""Graphs as they open: large enough to read, the parts under their titles, notes as large as their text, nothing over each other after a run."""

import json

import httpx
import pytest
from shipped_graphs import ALL, DEMO, WORKFLOWS

WINDOW = {"width": 1440, "height": 900}
READABLE = 0.62
EXAMPLE = {"filename": "example.png", "subfolder": "", "type": "input"}


@pytest.fixture(scope="module")
def nodes_2(opened):
    """The page in Nodes 2.0, in a window as many screens have it."""
    page = opened("nodes_2")
    before = page.page.viewport_size
    page.page.set_viewport_size(WINDOW)
    yield page
    page.page.set_viewport_size(before)


@pytest.fixture(scope="module")
def picture_of(url):
    """`picture_of(name)`: what the graph saves: a sheet as its thumbnail is, or a square."""

    def upload(name):
        if "ContactSheet" not in (WORKFLOWS / "api" / f"{name}.json").read_text():
            return EXAMPLE
        file = WORKFLOWS / f"{name}.jpg"
        answer = httpx.post(f"{url}/upload/image", files={"image": (file.name, file.read_bytes())}, data={"overwrite": "true"})
        return EXAMPLE | {"filename": answer.raise_for_status().json()["name"]}

    return upload


@pytest.mark.parametrize("name", DEMO)
def test_nodes_2_shows_pictures_without_laying_nodes_over_each_other(nodes_2, workflow, picture_of, name):
    """tests/browser/test_runs.py holds the classic renderer to it, where all graphs run."""
    nodes_2.dismiss()
    nodes_2.load(workflow(name))
    assert nodes_2.overlaps() == [] and nodes_2.strangers() == []
    nodes_2.show_pictures({"SaveImage": picture_of(name), "PreviewImage": EXAMPLE})
    assert nodes_2.overlaps() == [] and nodes_2.strangers() == []


@pytest.mark.parametrize("name", ALL)
def test_parts_have_titles_and_the_view_is_readable(name):
    graph = json.loads((WORKFLOWS / f"{name}.json").read_text())
    titles = [group["title"] for group in graph["groups"]]
    assert titles in (["1 Layout", "2 Content", "3 Mix"], ["1 Prompt", "2 Picture"], ["1 Picture", "2 Mix"])
    scale, (x, y) = graph["extra"]["ds"]["scale"], graph["extra"]["ds"]["offset"]
    assert scale >= READABLE
    lefts, tops = zip(*(group["bounding"][:2] for group in graph["groups"]), strict=True)
    assert all(0 < (left + x) * scale < WINDOW["width"] for left in lefts) and all(0 < (top + y) * scale < WINDOW["height"] for top in tops)


def test_a_graph_opens_as_large_as_it_was_made(either_page, workflow):
    graph = workflow("image_text")
    either_page.load(graph)
    assert either_page.page.evaluate("() => app.canvas.ds.scale") == pytest.approx(graph["extra"]["ds"]["scale"])


@pytest.mark.parametrize("name", ["image_text_sd15", "photo_word_swap", "breed_mixing"])
def test_a_note_is_as_large_as_its_text(nodes_2, workflow, name):
    nodes_2.load(workflow(name))
    (note,) = nodes_2.find("MarkdownNote")
    nodes_2.look_at(note)
    room, text = nodes_2.element(note).evaluate(
        """node => {
            const paragraphs = [...node.querySelectorAll('p')].map(each => each.getBoundingClientRect())
            return [node.getBoundingClientRect().bottom - paragraphs[0].top, paragraphs.at(-1).bottom - paragraphs[0].top]
        }"""
    )
    assert text < room < 2.2 * text + 40
