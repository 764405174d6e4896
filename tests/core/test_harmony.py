"""The search for the nu that is as much like the layout as like the prompt."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from magicmix_core.harmony import GOLDEN, GoldenSearch, likenesses, smaller


def searched(score, tries, at_layout=0.0):
    search, batches = GoldenSearch(tries, at_layout), []
    while nus := search.next():
        batches.append(nus)
        search.found |= {nu: score(nu) for nu in nus}
    return search, batches


@given(peak=st.floats(0, 1), tries=st.integers(3, 20))
def test_golden_section_closes_in_on_the_peak(peak, tries):
    """After the content itself, which is measured at nu 1, each try leaves 0.618 of what is in question."""
    search, batches = searched(lambda nu: -abs(nu - peak), tries, -peak)
    asked = [nu for batch in batches for nu in batch]
    assert len(batches[0]) == 3 and all(len(batch) == 1 for batch in batches[1:])
    assert len(asked) == len(set(asked)) <= tries and all(0 <= nu <= 1 for nu in asked)
    assert abs(search.best - peak) <= max(GOLDEN ** (tries - 1), 2e-3) + 1e-9


def test_of_two_alike_the_higher_nu_is_best():
    assert searched(lambda nu: 0.0, 3)[0].best == 1


def test_fewer_tries_than_the_first_ones_are_refused():
    with pytest.raises(ValueError, match="tries must be 3 or more, got 2"):
        GoldenSearch(2)


def at(*degrees):
    """Unit vectors `[n, 2]` at these angles."""
    return torch.tensor([[math.cos(math.radians(each)), math.sin(math.radians(each))] for each in degrees], dtype=torch.float64)


def test_the_layout_is_all_layout_and_the_content_all_prompt():
    """The text lies beyond the content, as texts do among pictures: no picture is much like one."""
    layout, between, content, text = (at(each) for each in (0, 30, 50, 110))
    found = likenesses(torch.cat([layout, between, content]), layout, content, text)
    assert found[0] == pytest.approx((1, 0)) and found[2] == pytest.approx((0, 1))
    assert all(0 < share < 1 for share in found[1])


def test_a_content_no_more_like_the_text_than_the_layout_is_refused():
    with pytest.raises(ValueError, match="content_text must say what the prompt draws: .* 0.500 and 1.000"):
        likenesses(at(0), at(0), at(60), at(0))


def test_the_smaller_likeness_counts_weighed_by_the_target():
    assert smaller(0.4, 0.7, 0.5) == pytest.approx(0.4) and smaller(0.7, 0.4, 0.5) == pytest.approx(0.4)
    assert smaller(0.75, 0.25, 0.75) == pytest.approx(0.5)  # both sides alike
    assert smaller(0.3, 0.9, 1.0) == pytest.approx(0.15) and smaller(0.3, 0.9, 0.0) == pytest.approx(0.45)
