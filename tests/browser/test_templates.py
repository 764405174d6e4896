"""The template browser shows the pack's graphs and opens them."""

import re

import pytest
from comfy_page import ComfyPage
from playwright.sync_api import expect
from shipped_graphs import ALL

NAMES = set(ALL)


@pytest.fixture(scope="module")
def template_page(browser, url):
    """A page of its own with the template browser open at the pack's graphs."""
    page = ComfyPage.open(browser, url)
    page.page.evaluate("() => app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    page.page.get_by_role("dialog").get_by_text("magicmix", exact=True).click()  # the name of the pack's folder
    yield page
    page.page.close()


def test_every_graph_is_shown_with_its_picture(template_page, keep):
    cards = template_page.page.get_by_test_id(re.compile("^template-workflow-"))
    expect(cards.first).to_have_attribute("data-testid", re.compile("|".join(NAMES)))
    while (shown := cards.count()) < len(NAMES):  # more comes when the end is in view
        cards.last.scroll_into_view_if_needed()
        expect(cards).not_to_have_count(shown)
    expect(cards).to_have_count(len(NAMES))
    assert {card.get_attribute("data-testid").removeprefix("template-workflow-") for card in cards.all()} == NAMES
    widths = cards.evaluate_all(
        """async cards => {
            const widths = []
            for (const card of cards) {
                card.scrollIntoView()
                while (!card.querySelector('img')) await new Promise(requestAnimationFrame)  // it comes when it is in view
                await card.querySelector('img').decode()
                widths.push(card.querySelector('img').naturalWidth)
            }
            return widths
        }"""
    )
    assert len(widths) == len(NAMES) and all(widths)
    keep(template_page)


def test_a_click_opens_the_graph(template_page, api_form):
    template_page.page.get_by_test_id("template-workflow-text_text").click()
    expect(template_page.page.get_by_role("dialog")).to_have_count(0)
    assert template_page.exported() == api_form("text_text")
    assert template_page.complaints() == []
