"""The search for the nu at which a wanted share of the layout remains."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from magicmix_core.balance import NuSearch, remains


def searched(score, target, tries):
    """A search with `score(nu)` as what remains; and the batches of nus that it asked for."""
    search, batches = NuSearch(target, tries), []
    while nus := search.next():
        batches.append(nus)
        search.found |= {nu: score(nu) for nu in nus}
    return search, batches


@given(target=st.floats(0, 1), tries=st.integers(3, 20), bend=st.floats(0.2, 12))
def test_it_takes_its_tries_and_comes_near(target, tries, bend):
    """What remains falls with nu, slowly or only near 1."""
    search, batches = searched(lambda nu: 1 - nu**bend, target, tries)
    asked = [nu for batch in batches for nu in batch]
    assert len(asked) == len(set(asked)) <= tries and all(0 <= nu <= 1 for nu in asked) and max(map(len, batches)) <= 3
    assert len(asked) == tries or target in search.found.values()
    right = (1 - target) ** (1 / bend)
    if tries >= 12:
        assert abs(search.best - right) < 0.04 or abs(search.found[search.best] - target) < 0.02


@pytest.mark.parametrize("bend", [0.5, 1, 3, 8])
def test_six_tries_come_within_an_eighth(bend):
    search, _ = searched(lambda nu: 1 - nu**bend, 0.5, 6)
    assert abs(search.found[search.best] - 0.5) < 0.125


def test_a_measure_that_wavers_is_searched_where_it_passes_the_target():
    search, _ = searched(lambda nu: max(0.0, 1 - nu + (0.2 if 0.6 < nu < 0.7 else 0)) if nu < 1 else 0.0, 0.3, 9)
    assert abs(search.found[search.best] - 0.3) < 0.05


def test_a_content_that_is_not_quite_itself_after_rounding_ends_the_search_all_the_same():
    search, _ = searched(lambda nu: 1 - nu if nu < 1 else 1e-16, 0.0, 6)
    assert search.best == 1


def test_fewer_tries_than_the_first_ones_are_refused():
    with pytest.raises(ValueError, match="tries must be 3 or more, got 2"):
        NuSearch(0.5, 2)


def test_what_remains_is_1_of_the_layout_0_of_the_content_and_half_of_a_picture_as_far_from_both():
    layout, content = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    assert remains(torch.cat([layout, content]), layout, content) == pytest.approx([1, 0])
    assert remains(layout.flip(-1), layout, layout)[0] == pytest.approx(0.5)
