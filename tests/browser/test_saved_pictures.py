"""A saved picture brings its graph along: dropped on the page and run again, it becomes the same picture to the bit."""

import base64
import io

import httpx
import numpy as np
import pytest
from PIL import Image

FEW = 3
FASTER = {"word_swap": {"steps": FEW}, "magicmix": {"strength": 0.1}}


@pytest.fixture
def saved(url):
    """`saved(page)`: the file that the page's Save Image node shows."""

    def fetch(page) -> bytes:
        (node_id,) = page.find("SaveImage")
        (image,) = page.page.evaluate("id => app.nodeOutputs[id].images", node_id)
        return httpx.get(f"{url}/view", params=image).raise_for_status().content

    return fetch


def drop(page, file: bytes) -> None:
    """As if a person dragged the picture from a folder onto the canvas."""
    carried = page.page.evaluate_handle(
        """bytes => {
            const carried = new DataTransfer()
            carried.items.add(new File([Uint8Array.from(atob(bytes), letter => letter.charCodeAt(0))], 'mix.png', { type: 'image/png' }))
            return carried
        }""",
        base64.b64encode(file).decode(),
    )
    page.page.dispatch_event("#graph-canvas", "drop", {"dataTransfer": carried})
    page.page.wait_for_function("() => app.graph._nodes.length > 0")


def pixels(file: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(file)))


@pytest.mark.parametrize(("renderer", "name"), [("classic", "word_swap"), ("nodes_2", "magicmix")])
def test_a_saved_picture_dropped_on_the_page_makes_itself_again(opened, workflow, url, saved, renderer, name):
    page = opened(renderer)
    page.dismiss()
    page.load(workflow(name))
    for widget, value in FASTER[name].items():
        page.change(widget, value)
    page.change("seed", 7)
    assert page.run() == "execution_success"
    first, graph = saved(page), page.exported()
    page.clear()
    httpx.post(f"{url}/free", json={"unload_models": True, "free_memory": True}).raise_for_status()  # or the first run's results come again
    drop(page, first)
    assert page.exported() == graph
    assert page.run() == "execution_success"
    again = saved(page)
    assert np.array_equal(pixels(again), pixels(first))
    assert len(np.unique(pixels(first))) > 100, "a picture, not one flat colour"
    page.change("seed", 8)
    page.change("prompt", "a lion")
    page.change("target_text", "a lion")
    assert page.run() == "execution_success"
    assert not np.array_equal(pixels(saved(page)), pixels(first)), "another graph makes another picture"
