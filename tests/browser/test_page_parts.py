"""The pack's own part of the page: words as chips, the window as a strip of steps, pictures looked at closely, maps under the mouse."""

import re

import pytest
from comfy_page import ComfyPage
from PIL import Image
from playwright.sync_api import expect

from demo_model import SIDES
from magicmix_core.nu import read_curve
from magicmix_core.prompts import parse_words

JS = "/extensions/magicmix/js"
FEW = 4


def value_of(page: ComfyPage, name: str):
    """The value of the first widget of that name."""
    return page.page.evaluate(
        "name => app.graph._nodes.flatMap(node => node.widgets ?? []).find(widget => widget.name === name).value", name
    )


@pytest.fixture
def run(workflow):
    """`run(page, name)`: a shipped graph, run in a few steps."""

    def load_and_run(page, name, **changes):
        page.load(workflow(name))
        for widget, value in changes.items():
            page.change(widget, value)
        page.change("steps", FEW + page.vue)  # nothing of the other renderer's run is used again
        assert page.run() == "execution_success"

    return load_and_run


def test_a_click_on_a_word_writes_it_into_the_field_and_back(either_page, workflow, keep):
    either_page.load(workflow("word_swap"))
    chips = either_page.part("PromptToPrompt", "words")
    cat = chips.get_by_role("button", name=re.compile("^cat, .*“dog”"))
    expect(cat).to_have_attribute("aria-pressed", "false")
    cat.click()
    expect(cat).to_have_attribute("aria-pressed", "true")
    assert value_of(either_page, "words") == "cat"
    assert either_page.exported()[str(either_page.find("PromptToPrompt")[0])]["inputs"]["words"] == "cat"
    keep(either_page)
    cat.click()
    expect(cat).to_have_attribute("aria-pressed", "false")
    assert value_of(either_page, "words") == ""


def test_wheel_drag_and_arrow_keys_scale_a_word(either_page, workflow):
    either_page.load(workflow("word_swap"))
    chips = either_page.part("PromptToPrompt", "words")
    scaled = chips.get_by_role("button", name=re.compile("^cat, "))
    scaled.click()
    expect(scaled).to_have_attribute("aria-pressed", "true")
    before = either_page.page.evaluate("() => app.canvas.ds.scale")
    scaled.hover()
    either_page.page.mouse.wheel(0, -100)
    expect(chips.get_by_role("button", name=re.compile("^cat, scale 1.05"))).to_be_visible()
    assert value_of(either_page, "words") == "cat:1.05"
    assert either_page.page.evaluate("() => app.canvas.ds.scale") == before, "the view stays"
    scaled.focus()
    either_page.page.keyboard.press("ArrowDown")
    either_page.page.keyboard.press("PageDown")
    expect(chips.get_by_role("button", name=re.compile("^cat, scale 0.5"))).to_be_focused()
    assert value_of(either_page, "words") == "cat:0.5"
    box = scaled.bounding_box()
    either_page.page.mouse.move(box["x"] + 5, box["y"] + 5)
    either_page.page.mouse.down()
    either_page.page.mouse.move(box["x"] + 45, box["y"] + 5, steps=5)
    either_page.page.mouse.up()
    expect(chips.get_by_role("button", name=re.compile("^cat, scale 1"))).to_be_visible()
    assert value_of(either_page, "words") == "cat:1", "a drag is no click"


def test_chips_follow_what_is_typed_and_a_word_that_is_not_there_is_red(either_page, workflow, keep):
    either_page.load(workflow("reweight_sheet"))
    chips = either_page.part("CrossAttnReweight", "words")
    either_page.change("text", "a cup of (Green:1.2) tea // not sent")
    expect(chips.get_by_role("button", name="Green", exact=True)).to_be_visible()
    assert chips.locator("[aria-pressed]").all_inner_texts() == ["a", "cup", "of", "Green", "tea"]
    lost = chips.get_by_role("button", name="“crown” is not in the prompt")
    expect(lost).to_be_visible()
    keep(either_page)
    either_page.change("words", "green tea:1.5")
    expect(chips.get_by_role("button", name="Green, scale 1.5")).to_have_attribute("aria-pressed", "true")
    expect(chips.get_by_role("button", name="tea, scale 1.5")).to_have_attribute("aria-pressed", "true")
    expect(lost).to_have_count(0)


def test_local_blend_and_word_steps_are_chosen_the_same_way(page, workflow):
    page.load(workflow("word_swap"))
    chips = page.part("PromptToPrompt", "words")
    chips.get_by_role("radio", name="local_blend").click()
    chips.get_by_role("group", name="Words of source_text").get_by_role("button", name="dog").click()
    chips.get_by_role("group", name="Words of target_text").get_by_role("button", name=re.compile("^cat")).click()
    assert value_of(page, "local_blend") == "dog, cat"
    chips.get_by_role("radio", name="word_steps").click()
    chips.get_by_role("button", name=re.compile("^cat")).focus()
    page.page.keyboard.press("ArrowDown")
    expect(chips.get_by_role("button", name=re.compile("^cat, scale 0.75"))).to_be_focused()
    assert value_of(page, "word_steps") == "cat:0.75"
    page.change("edit", "swap")
    page.change("source_text", "a dog")
    page.change("target_text", "a dog sleeping")
    expect(chips.get_by_text("edit must be refine for these texts")).to_be_visible()


def test_fields_are_read_as_the_nodes_read_them(page):
    fields = [
        "tiger",
        "tiger:1.5, stripes:-0.5",
        " a , b:2 ,,c : 3",
        "a:b",
        "x:.5,y:1e2,z:1_0",
        "tiger:1, tiger:2",
        "big cat\nred dog:0",
        "a:",
    ]
    read = page.page.evaluate(
        f"async fields => {{ const {{ numbersIn }} = await import('{JS}/word_fields.js'); return fields.map(field => [...numbersIn(field)]) }}",
        fields,
    )
    for field, pairs in zip(fields, read, strict=True):
        assert [(word, number) for word, number in pairs] == parse_words(field, None), field


def test_the_strip_counts_as_the_tests_of_the_samplers_do(page, opened):
    """tests/nodes/test_page_steps.py holds the same counting to what the samplers do."""
    levels = [0.98, 0.8, 0.6, 0.600001, 0.3, 0.1, 0]
    windows = [(0.6, 0.3), (1, 0), (0.85, 0.35), (0.5, 0.5), (0.05, 0.01), (0, 0)]
    counted = page.page.evaluate(
        f"""async ([levels, windows]) => {{
            const {{ countSteps }} = await import('{JS}/schedule.js')
            return windows.map(([k_max, k_min]) => countSteps(levels, {{ k_max, k_min, nu: 0.5, nu_schedule: 'linear' }}))
        }}""",
        [levels, windows],
    )
    for (k_max, k_min), count in zip(windows, counted, strict=True):
        skipped = min(sum(level > k_max for level in levels) if k_max < 1 else 0, len(levels) - 1)
        mixed = sum(level > k_min for level in levels[skipped:-1])
        assert (count["skipped"], count["mixed"], count["free"]) == (skipped, mixed, len(levels) - 1 - skipped - mixed)
        assert count["nus"] == [0.5 + 0.5 * step / mixed for step in range(mixed)]


def test_the_strip_follows_a_curve_as_the_samplers_do(page):
    levels = [0.9, 0.6, 0.45, 0.3, 0.1, 0]
    curves = ["0.6:0.2, 0.3:0.8", "0.5:0.7", "1:1, 0:1", "0.6", "0.5:0.1, 0.50:0.2", "2:0.5", "0.5:nan", ":0.5", " , "]
    drawn = page.page.evaluate(
        f"""async ([levels, curves]) => {{
            const {{ countSteps, readCurve }} = await import('{JS}/schedule.js')
            const window = {{ k_max: 0.9, k_min: 0.2, nu: 0.5, nu_schedule: 'constant' }}
            return curves.map(readCurve).map((curve) => curve && countSteps(levels, {{ ...window, curve }}).nus)
        }}""",
        [levels, curves],
    )
    for text, nus in zip(curves, drawn, strict=True):
        try:
            curve = read_curve(text)
        except ValueError:
            assert nus is None, text
        else:
            assert nus == pytest.approx([] if curve.keeps_content else [curve.at(level) for level in levels[:4]]), text


def test_the_strip_shows_the_steps_that_run(either_page, workflow, keep):
    either_page.load(workflow("image_text"))
    strip = either_page.part("MagicMixKSampler", "window")
    expect(strip).to_contain_text("22 of 25 steps run")
    either_page.change("k_max", 0.6)
    either_page.change("k_min", 0.3)
    expect(strip).to_contain_text(re.compile("15 of 25 steps run.*10 skipped.*7 mixed.*8 free"))
    keep(either_page)
    either_page.change("scheduler", "karras")
    expect(strip).to_contain_text(re.compile("about 15 of 25 steps run.*4 mixed"))
    either_page.change("k_min", 0.9)
    expect(strip).to_contain_text("k_min is above k_max")


def test_the_modular_sampler_takes_its_steps_from_the_scheduler(page, workflow):
    page.load(workflow("image_text_custom_sampler"))
    strip = page.part("MagicMixSampler", "window")
    expect(strip).to_contain_text("22 of 25 steps run")
    page.change("steps", 20)
    expect(strip).to_contain_text("17 of 20 steps run")
    page.unlink("SamplerCustomAdvanced", "sigmas")
    expect(strip).to_contain_text("Connect to a sampler")


def test_a_value_over_a_link_is_said_to_be_unknown(page, workflow):
    page.load(workflow("k_sheet"))
    expect(page.part("MagicMixKSampler", "window")).to_contain_text("k_max comes over a link")


def test_a_mix_is_compared_with_its_layout_under_a_slider(either_page, run, keep):
    run(either_page, "text_text")
    either_page.part("MagicMixKSampler", "window").get_by_role("button", name="Compare with the layout").click()
    viewer = either_page.page.get_by_role("dialog", name="Look closer")
    for picture in viewer.get_by_role("img").all():
        expect(picture).to_have_js_property("naturalWidth", SIDES["unet"])
    sources = [picture.get_attribute("src") for picture in viewer.get_by_role("img").all()]
    assert len(set(sources)) == 2 and "type=output" in sources[0] and "type=temp" in sources[1]
    slider = viewer.get_by_role("slider")
    expect(slider).to_be_focused()
    keep(either_page)
    either_page.page.keyboard.press("End")
    expect(slider).to_have_attribute("aria-valuetext", "Layout 100 %")
    either_page.page.keyboard.press("Escape")
    expect(viewer).to_have_count(0)


def test_a_loaded_picture_is_the_layout_to_compare_with(page, run):
    run(page, "image_text")
    (saved,) = page.find("SaveImage")
    page.look_at(saved)
    page.page.evaluate("id => app.canvas.selectNode(app.graph.getNodeById(id))", saved)
    page.page.locator(".selection-toolbox").get_by_role("button").filter(has=page.page.locator(".pi-search-plus")).click()
    viewer = page.page.get_by_role("dialog", name="Look closer")
    expect(viewer.get_by_role("img", name="Layout")).to_have_attribute("src", re.compile("filename=example.png.*type=input"))
    page.page.keyboard.press("Escape")


COLOURS = "cell => new Set(cell.getContext('2d').getImageData(0, 0, cell.width, cell.height).data).size"


def test_a_cell_of_a_sheet_is_large_on_a_click(either_page, run, keep):
    run(either_page, "reweight_sheet", x_values="-2, 2")
    either_page.part("ContactSheet", "bar").get_by_role("button", name="Look closer").click()
    viewer = either_page.page.get_by_role("dialog", name="Look closer")
    viewer.get_by_role("button", name="s -2").click()
    cell = viewer.get_by_role("img", name="s -2")
    expect(cell).to_be_visible()
    assert cell.bounding_box()["height"] > 600
    either_page.page.wait_for_function(f"cell => ({COLOURS})(cell) > 100", arg=cell.element_handle())  # no empty frame
    keep(either_page)
    either_page.page.keyboard.press("ArrowRight")
    expect(viewer.get_by_role("img", name="s 2")).to_be_visible()
    viewer.get_by_role("button", name="Whole sheet").click()
    expect(viewer.get_by_role("button", name="s 2")).to_be_focused()
    either_page.page.keyboard.press("Escape")


def test_a_cell_shows_once_its_sheet_has_come(page, tmp_path):
    sheet = tmp_path / "sheet.png"
    Image.linear_gradient("L").save(sheet)
    held = []
    page.page.route("**/slow_sheet.png", lambda route: held.append(route))
    with page.page.expect_request("**/slow_sheet.png"):
        page.page.evaluate(
            f"""async () => (await import("{JS}/viewer.js")).openViewer([
                {{ picture: "/slow_sheet.png", sheet: {{ size: [256, 256], cells: [[0, 0, 256, 128]], labels: ["upper"] }} }}])"""
        )
    viewer = page.page.get_by_role("dialog", name="Look closer")
    viewer.get_by_role("button", name="upper").click()
    cell = viewer.get_by_role("img", name="upper")
    assert cell.evaluate(COLOURS) == 1
    held[0].fulfill(path=sheet)
    page.page.wait_for_function(f"cell => ({COLOURS})(cell) > 100", arg=cell.element_handle())
    page.page.unroute("**/slow_sheet.png")


def test_pointing_at_a_word_shows_its_map(either_page, run, keep):
    run(either_page, "heat_maps")
    maps = either_page.part("CrossAttnMaps", "maps")
    car = maps.get_by_role("button", name="car")
    assert maps.get_by_role("button").all_inner_texts() == ["cat", "car"]
    drawn = maps.locator("canvas")
    expect(drawn).to_be_hidden()
    car.hover()
    expect(drawn).to_be_visible()
    expect(drawn).to_have_attribute("aria-label", "Where “car” is in the picture")
    first = drawn.evaluate("map => [...map.getContext('2d').getImageData(0, 0, map.width, map.height).data]")
    car.focus()
    either_page.page.keyboard.press("ArrowLeft")
    expect(drawn).to_have_attribute("aria-label", "Where “cat” is in the picture")
    other = drawn.evaluate("map => [...map.getContext('2d').getImageData(0, 0, map.width, map.height).data]")
    assert len(first) == len(other) and first != other and len(set(first)) > 50
    keep(either_page)
