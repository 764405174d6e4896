"""Runs started with the page's own button, and what the nodes show afterwards."""

import pytest
from playwright.sync_api import expect
from shipped_graphs import DEMO, SIDE

FEW = 3  # steps instead of 25: the server's tests draw pictures, these look at what the page makes of them


def wait_for_pictures(page) -> None:
    shown = [*page.find("SaveImage"), *page.find("PreviewImage")]
    assert shown
    for node_id in shown:
        page.look_at(node_id)
        page.wait_for_picture(node_id)


@pytest.mark.parametrize("name", DEMO)
def test_a_graph_runs_and_its_last_nodes_show_pictures(page, workflow, keep, name):
    page.load(workflow(name))
    page.change("steps", FEW)
    for side in ("width", "height"):
        page.change(side, SIDE)
    assert page.run() == "execution_success"
    wait_for_pictures(page)
    assert page.complaints() == [] and page.errors == []
    page.fit()
    assert page.overlaps() == [] and page.strangers() == []
    keep(page)


def test_pictures_and_text_show_on_the_nodes(either_page, workflow, keep):
    either_page.load(workflow("heat_maps"))
    either_page.change("steps", FEW + 1 + either_page.vue)  # nothing of an earlier run is used again
    assert either_page.run() == "execution_success"
    wait_for_pictures(either_page)
    (preview,) = either_page.find("PreviewAny")
    either_page.look_at(preview)
    as_a_table = either_page.page.get_by_role("cell", name="grass")
    assert as_a_table.count() or "| grass |" in either_page.texts(preview)  # newer pages show it as it is written
    keep(either_page)


def test_the_tokens_stand_on_their_node(page, workflow, keep):
    page.load(workflow("heat_maps"))
    page.change("steps", FEW)
    page.change("text", "a wombat")
    page.change("words", "")
    assert page.run() == "execution_success"
    (tokens,) = page.find("PromptTokens")
    page.look_at(tokens)
    expect(page.page.get_by_text("chunk 0: 1 a; 2 wom + 3 bat = wombat", exact=True)).to_be_visible()
    keep(page)


def test_a_run_can_be_cancelled_and_the_next_one_succeeds(page, workflow, keep):
    page.load(workflow("image_text"))
    page.change("steps", 2000)
    before = len(page.ends())
    page.press_run()
    page.page.wait_for_function("() => app.graph._nodes.some(node => node.progress > 0)")
    page.press_cancel()
    assert page.next_end(before, seconds=10) == "execution_interrupted"
    keep(page)
    page.change("steps", FEW)
    assert page.run() == "execution_success"
    wait_for_pictures(page)
