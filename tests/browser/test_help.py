"""What the page tells about a node before it runs: tooltips and help pages."""

from pathlib import Path

import pytest
from comfy_page import PANEL
from playwright.sync_api import expect

IDS = sorted(page.stem for page in (Path(__file__).parent.parent.parent / "web" / "docs").glob("*.md"))


def inputs_of(info: dict) -> dict[str, dict]:
    """The options of each input by its name."""
    return {name: (spec[1:] or [{}])[0] for group in ("required", "optional") for name, spec in info["input"].get(group, {}).items()}


@pytest.mark.parametrize("node_id", IDS)
def test_the_page_has_a_tooltip_for_every_input_and_output(page, object_info, node_id):
    known = page.page.evaluate(
        """id => {
            const known = LiteGraph.registered_node_types[id].nodeData
            return [Object.values(known.inputs).map(input => [input.name, input.tooltip]), known.outputs.map(output => output.tooltip)]
        }""",
        node_id,
    )
    inputs, outputs = known
    assert inputs == [[name, options["tooltip"]] for name, options in inputs_of(object_info[node_id]).items()]
    assert outputs == object_info[node_id]["output_tooltips"]
    assert all(tooltip for _, tooltip in inputs) and all(outputs)


def test_a_tooltip_shows_when_the_mouse_rests_on_a_widget(either_page, object_info, keep):
    either_page.clear()
    sampler = either_page.add("MagicMixKSampler")
    either_page.look_at(sampler)
    if either_page.vue:
        either_page.element(sampler).get_by_text("k_max", exact=True).hover()
    else:
        x, y = either_page.widget_place(sampler, "k_max")
        either_page.page.mouse.move(x - 1, y)
        either_page.page.mouse.move(x, y)
    tooltip = inputs_of(object_info["MagicMixKSampler"])["k_max"]["tooltip"]
    shown = either_page.page.locator(".node-tooltip, .p-tooltip").filter(has_text=tooltip)
    expect(shown.or_(either_page.page.get_by_role("tooltip", name=tooltip)).first).to_be_visible()
    keep(either_page)


@pytest.mark.parametrize("node_id", IDS)
def test_the_help_page_opens_and_names_every_input(page, object_info, keep, node_id):
    page.clear()
    added = page.add(node_id)
    page.look_at(added)
    page.page.evaluate("id => app.canvas.selectNode(app.graph.getNodeById(id))", added)
    page.page.get_by_test_id("info-button").click()
    shown = page.page.locator(".node-help-content")
    expect(shown.get_by_role("heading", level=1)).to_have_text(object_info[node_id]["display_name"])
    picture = shown.locator("img").first
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("picture => picture.naturalWidth") > 0
    named = set(shown.locator("code").all_inner_texts())
    assert set(inputs_of(object_info[node_id])) <= named
    keep(page)
    if page.page.locator(PANEL).count():
        page.dismiss()
    else:
        page.page.keyboard.press("n")  # it takes the node library's place
    expect(shown).to_have_count(0)
