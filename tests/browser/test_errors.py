"""Mistakes, as the page tells people of them: with the node's own words."""

import pytest
from playwright.sync_api import expect


@pytest.fixture
def said(keep):
    """`said(page)`: the text of the one dialog."""

    def read(page) -> str:
        dialog = page.page.locator("[role=dialog]")
        expect(dialog).to_be_visible()
        keep(page)
        return dialog.inner_text()

    return read


def test_a_number_out_of_range_is_named(either_page, workflow, said):
    either_page.load(workflow("image_text"))
    either_page.change("nu", 1.5)
    either_page.press_run()
    assert "MagicMixKSampler:\n- Value 1.5 bigger than max of 1.0: nu" in said(either_page)


def test_a_missing_link_is_named(either_page, workflow, said):
    either_page.load(workflow("image_text"))
    either_page.unlink("MagicMixKSampler", "layout")
    either_page.press_run()
    assert "MagicMixKSampler:\n- Required input is missing: layout" in said(either_page)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("image_text", {"k_max": 0.6, "k_min": 0.9}, "MagicMixKSampler\n\nk_min must not be above k_max, got k_min 0.9 and k_max 0.6"),
        (
            "reweight_sheet",
            {"words": "tea"},
            "CrossAttnReweight\n\nwords: 'tea' is not a word of the prompt; its words are: a, cup, of, coffee",
        ),
    ],
    ids=["k_min", "words"],
)
def test_the_nodes_own_message_is_shown(either_page, workflow, said, name, changes, message):
    either_page.load(workflow(name))
    for widget, value in changes.items():
        either_page.change(widget, value)
    assert either_page.run() == "execution_error"
    assert message in said(either_page)
