"""The pack's own part of the page under its user's settings: languages, themes, switched off."""

import json
import re

import httpx
import pytest
from comfy_page import ComfyPage
from playwright.sync_api import expect

JS = "/extensions/magicmix/js"
EXTENSIONS = ["MagicMix.Words", "MagicMix.Window", "MagicMix.Pictures", "MagicMix.Maps"]
GRAPHS = ["word_swap", "image_text", "heat_maps", "nu_sheet"]
READABLE = 4.5
"""The least contrast of a text to what is behind it (WCAG 2.2, level AA)."""
CONTRASTS = """element => {
    const channels = colour => [...colour.matchAll(/[\\d.]+/g)].map(Number)
    const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0)
    const behind = node => {
        const colour = channels(getComputedStyle(node).backgroundColor)
        return colour.length === 3 || colour[3] === 1 ? colour : behind(node.parentElement)
    }
    const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT), found = []
    while (texts.nextNode()) {
        const { parentElement, data } = texts.currentNode
        if (!data.trim() || !parentElement.getClientRects().length) continue
        const levels = [channels(getComputedStyle(parentElement).color), behind(parentElement)].map(light).sort((a, b) => b - a)
        found.push([data.trim(), (levels[0] + 0.05) / (levels[1] + 0.05)])
    }
    return found
}"""


@pytest.fixture
def opened_with(browser, url):
    """`opened_with(settings, vue)`: a page of its own under other settings of the page's."""
    pages = []

    def get(settings: dict, vue: bool = False) -> ComfyPage:
        pages.append(ComfyPage.open(browser, url, vue=vue, settings=settings))
        return pages[-1]

    yield get
    for page in pages:
        page.page.close()
    plain = {"Comfy.Locale": "en", "Comfy.Extension.Disabled": []}
    httpx.post(f"{url}/settings", json=plain).raise_for_status()


def test_every_text_is_there_in_every_language(page):
    texts = page.page.evaluate(f"async () => (await import('{JS}/texts.js')).allTexts()")
    assert set(texts) == {"en", "zh", "zh-TW", "ja", "ko"}
    for language, said in texts.items():
        assert said.keys() == texts["en"].keys(), language
        for key, text in said.items():
            assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", texts["en"][key])), (language, key)
            assert language == "en" or text != texts["en"][key], (language, key)


def test_it_speaks_the_pages_language(opened_with, workflow, keep):
    page = opened_with({"Comfy.Locale": "ja"})
    page.load(workflow("image_text"))
    expect(page.part("MagicMixKSampler", "window")).to_contain_text("25 ステップ中 22 ステップを実行")
    keep(page)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_can_be_read_in_every_theme(page, workflow, keep, theme):
    page.page.evaluate("theme => app.extensionManager.setting.set('Comfy.ColorPalette', theme)", theme)
    page.load(workflow("image_text"))
    texts = [page.part("MagicMixKSampler", "window").evaluate(CONTRASTS)]
    page.load(workflow("word_swap"))
    page.change("words", "cat, cow")
    chips = page.part("PromptToPrompt", "words")
    expect(chips.get_by_role("button", name="“cow” is not in the prompt")).to_be_visible()
    texts.append(chips.evaluate(CONTRASTS))
    keep(page)
    page.page.evaluate("() => app.extensionManager.setting.set('Comfy.ColorPalette', 'dark')")
    assert min(map(len, texts)) > 2
    assert [(said, contrast) for found in texts for said, contrast in found if contrast < READABLE] == []


@pytest.mark.parametrize("vue", [False, True], ids=["classic", "nodes_2"])
def test_graphs_are_saved_the_same_with_and_without_it(opened, opened_with, workflow, vue):
    def saved(page) -> list[str]:
        texts = []
        for name in GRAPHS:
            page.load(workflow(name))
            page.page.wait_for_timeout(300)
            texts.append(page.page.evaluate("() => JSON.stringify(app.graph.serialize().nodes)"))
        return texts

    with_it = saved(opened("nodes_2" if vue else "classic"))
    without = opened_with({"Comfy.Extension.Disabled": EXTENSIONS}, vue)
    plain = saved(without)
    assert without.page.locator(".magicmix").count() == 0
    for name, one, other in zip(GRAPHS, with_it, plain, strict=True):
        assert json.loads(one) == json.loads(other), name
        assert one == other, name
