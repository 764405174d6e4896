"""The pack's blueprints: from the node library onto the canvas as one node, which runs and can be opened."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

NAMES = sorted(file.stem for file in (Path(__file__).parent.parent.parent / "subgraphs").glob("*.json"))
MIX, CHANGE = "Mix a picture with a prompt (MagicMix)", "Change a word, keep the picture (MagicMix)"
SOCKETS = ["model", "clip", "vae"]
FEW = 2
SMALLER = {"megapixels": 0.02, "width": 128, "height": 128}


def add_from_library(page, name: str) -> int:
    """Clicks the blueprint in the node library; returns the id of the new node."""
    with page.library() as library:
        library.get_by_placeholder("Search Nodes...").fill(name[:13])  # more would be searched for apart
        library.get_by_text(name, exact=True).click()
        page.page.mouse.click(1400, 300)  # newer pages put it where one clicks next
        page.page.wait_for_function("() => app.graph._nodes.length === 1")
    return page.page.evaluate("() => app.graph._nodes[0].id")


def connect(page, node_id: int) -> None:
    """Gives the node the demo checkpoint and a picture, shows what comes out, and makes it quick."""
    page.page.evaluate(
        """([id, few, smaller]) => {
            const add = type => { const node = LiteGraph.createNode(type); app.graph.add(node); return node }
            const node = app.graph.getNodeById(id)
            const slot = name => node.inputs.findIndex(input => input.name === name)
            const checkpoint = add('MagicMixDemoCheckpoint')
            for (const [output, name] of ['model', 'clip', 'vae'].entries()) checkpoint.connect(output, node, slot(name))
            if (slot('image') >= 0) add('LoadImage').connect(0, node, slot('image'))
            node.connect(0, add('PreviewImage'), 0)
            for (const widget of node.widgets) if (widget.name in smaller) widget.value = smaller[widget.name]
            for (const inner of node.subgraph.nodes)
                for (const widget of inner.widgets ?? []) if (widget.name === 'steps') widget.value = few
        }""",
        [node_id, FEW, SMALLER],
    )


def test_both_are_there():
    assert [CHANGE, MIX] == NAMES


@pytest.mark.parametrize(
    ("name", "widgets", "others", "outputs"),
    [
        (MIX, {"prompt": "a fox", "nu": 0.7, "seed": 1, "megapixels": 0.25}, ["image"], ["image"]),
        (
            CHANGE,
            {
                "source_text": "a photo of a cat riding a bicycle",
                "target_text": "a photo of a dog riding a bicycle",
                "cross_steps": 0.8,
                "self_steps": 0.4,
                "seed": 1,
                "width": 512,
                "height": 512,
            },
            [],
            ["image", "before"],
        ),
    ],
    ids=["mix", "change"],
)
def test_a_blueprint_is_one_node_that_runs(either_page, keep, name, widgets, others, outputs):
    either_page.clear()
    node_id = add_from_library(either_page, name)
    node = either_page.page.evaluate(
        """id => {
            const node = app.graph.getNodeById(id), widgets = Object.fromEntries(node.widgets.map(widget => [widget.name, widget.value]))
            const sockets = node.inputs.filter(input => !input.widget).map(input => input.name)
            return { title: node.title, widgets, sockets, outputs: node.outputs.map(output => output.name) }
        }""",
        node_id,
    )
    assert node["title"] == name and node["outputs"] == outputs
    assert node["widgets"] == widgets and node["sockets"] == SOCKETS + others
    connect(either_page, node_id)
    either_page.change("prompt", "a lion")
    sent = either_page.exported()
    texts = [inner["inputs"]["text"] for inner in sent.values() if inner["class_type"] == "CLIPTextEncode"]
    assert ("a lion" if name == MIX else widgets["source_text"]) in texts and "" in texts
    assert either_page.run() == "execution_success"
    (preview,) = either_page.find("PreviewImage")
    either_page.look_at(preview)
    either_page.wait_for_picture(preview)
    keep(either_page)


def test_it_opens_and_shows_its_parts(page, keep):
    page.clear()
    node_id = add_from_library(page, MIX)
    page.page.evaluate("id => app.canvas.openSubgraph(app.graph.getNodeById(id).subgraph, app.graph.getNodeById(id))", node_id)
    titles = page.page.evaluate("() => app.canvas.graph._groups.map(group => group.title)")
    assert titles == ["1 Layout", "2 Content", "3 Mix"]
    page.fit()
    keep(page)
    page.page.evaluate("() => app.canvas.setGraph(app.graph)")
    expect(page.page.locator("#graph-canvas")).to_be_visible()
