import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magicmix_core.sweeps import parse_values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0, 0.25, 0.5", [0, 0.25, 0.5]),
        ("0:1:5", [0, 0.25, 0.5, 0.75, 1]),
        ("0:1:11", [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]),
        ("1:0:3, 7", [1, 0.5, 0, 7]),
        ("3:9:1", [3]),
        (" -1 ,\n 1e-3,,", [-1, 0.001]),
        ("", []),
    ],
)
def test_values_as_people_write_them(text, values):
    assert parse_values(text) == values


@pytest.mark.parametrize("text", ["a", "0:1", "0:1:2:3", "0:1:0", "0:1:-3", "0:1:2.5", "0.1.2", "0;1"])
def test_what_is_neither_a_number_nor_a_range_is_named(text):
    with pytest.raises(ValueError, match="is neither a number nor start:end:count, such as 0:1:5"):
        parse_values(f"0.5, {text}")


@pytest.mark.parametrize("text", ["nan", "inf", "0:inf:3"])
def test_values_are_finite(text):
    with pytest.raises(ValueError, match="values must be finite"):
        parse_values(text)


@pytest.mark.parametrize("text", ["0:1:1001", "0:1:600, 0:1:600"])
def test_too_many_values_are_refused(text):
    with pytest.raises(ValueError, match="at most 1000 values"):
        parse_values(text)


@given(st.lists(st.floats(-1e6, 1e6), max_size=20))
def test_numbers_come_back_as_they_were_written(values):
    assert parse_values(", ".join(map(repr, values))) == values


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.integers(2, 50))
def test_a_range_runs_evenly_from_its_start_to_its_end(start, end, count):
    values = parse_values(f"{start!r}:{end!r}:{count}")
    assert len(values) == count
    assert values[0] == pytest.approx(start, abs=1e-9) and values[-1] == pytest.approx(end, abs=1e-9)
    steps = [b - a for a, b in itertools.pairwise(values)]
    assert max(steps) - min(steps) < 1e-6
