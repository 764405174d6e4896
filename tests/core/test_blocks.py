"""Decoder blocks by number."""

import pytest

from magicmix_core.blocks import feature_block, parse_blocks


def test_numbers_and_ranges():
    assert parse_blocks("attention_blocks", "4-6, 8", 12) == {4, 5, 6, 8}
    assert parse_blocks("attention_blocks", " ", 12) == set()


@pytest.mark.parametrize("text", ["four", "4-", "-4", "4..6", "4-6-8"])
def test_what_is_no_number_or_range_is_refused(text):
    with pytest.raises(ValueError, match="attention_blocks: blocks must be numbers and ranges"):
        parse_blocks("attention_blocks", text, 12)


@pytest.mark.parametrize("text", ["12", "4-12", "6-4"])
def test_blocks_that_are_not_there_are_refused(text):
    with pytest.raises(ValueError, match="the model's decoder has blocks 0 to 11"):
        parse_blocks("attention_blocks", text, 12)


def test_the_papers_block_and_its_like_in_other_unets():
    assert feature_block(4, 3) == 4  # SD 1.x and 2.x
    assert feature_block(3, 3) == 1  # SDXL
    assert feature_block(2, 2) == 1
