"""Mistakes, as the page tells people of them: with the node's own words."""

import re

import pytest


@pytest.fixture
def said(keep):
    """`said(page)`: what the page says of a fault, in one line; older and newer pages say it in words of their own."""

    def read(page) -> str:
        text = page.fault()
        keep(page)
        return text

    return read


def test_a_number_out_of_range_is_named(either_page, workflow, said):
    either_page.load(workflow("image_text"))
    either_page.change("nu", 1.5)
    either_page.press_run()
    older = r"MagicMixKSampler: - Value 1\.5 bigger than max of 1\.0: nu"
    newer = r"The value 1\.5 for MagicMix Interpolating KSampler's nu is above the maximum 1\."
    assert re.search(f"{older}|{newer}", said(either_page))


def test_a_missing_link_is_named(either_page, workflow, said):
    either_page.load(workflow("image_text"))
    either_page.unlink("MagicMixKSampler", "layout")
    either_page.press_run()
    older = "MagicMixKSampler: - Required input is missing: layout"
    newer = "MagicMix Interpolating KSampler is missing a required input: layout"
    assert re.search(f"{older}|{newer}", said(either_page))


@pytest.mark.parametrize(
    ("name", "changes", "node", "message"),
    [
        ("image_text", {"k_max": 0.6, "k_min": 0.9}, "MagicMixKSampler", "k_min must not be above k_max, got k_min 0.9 and k_max 0.6"),
        (
            "reweight_sheet",
            {"words": "tea"},
            "CrossAttnReweight",
            "words: 'tea' is not a word of the prompt; its words are: a, lion, wearing, crown",
        ),
    ],
    ids=["k_min", "words"],
)
def test_the_nodes_own_message_is_shown(either_page, workflow, said, name, changes, node, message):
    either_page.load(workflow(name))
    for widget, value in changes.items():
        either_page.change(widget, value)
    assert either_page.run() == "execution_error"
    text = said(either_page)
    assert node in text and message in text
