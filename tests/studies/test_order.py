"""In which order and portions pictures are drawn: each once, and what is slow to change is changed seldom."""

import itertools
import json

from hypothesis import given
from hypothesis import strategies as st
from magicmix_study.axes import Axis, Column
from magicmix_study.estimate import estimated_seconds, runs_of_nodes, seconds_of_nodes
from magicmix_study.space import Sample, Space, drawing_order, striped
from study_runs import REPOSITORY

GRAPH = json.loads((REPOSITORY / "workflows" / "api" / "image_text.json").read_text())
LAYOUT, PROMPT, NU = ("2", "image"), ("6", "text"), ("8", "nu")


def axis(name: str, length: int, *targets) -> Axis:
    return Axis((Column(name, targets),), tuple((place,) for place in range(length)), 1)


@st.composite
def spaces(draw) -> Space:
    lengths = draw(st.lists(st.integers(1, 7), min_size=1, max_size=4))
    axes = tuple(axis(f"a{place}", length) for place, length in enumerate(lengths))
    space = Space(axes, tuple(draw(st.permutations(range(len(axes))))))
    count = draw(st.none() | st.integers(1, space.product))
    return Space(axes, space.slowest_first, count and Sample(count, draw(st.integers(0, 9))))


@given(spaces())
def test_every_picture_has_its_number_and_values_once(space):
    numbers = [space.number(position) for position in range(len(space))]
    assert len(set(numbers)) == len(space) and set(numbers) <= set(range(space.product))
    listed = list(itertools.product(*(range(length) for length in space.lengths)))
    assert [tuple(space.values(position).values()) for position in range(len(space))] == [listed[number] for number in numbers]


@given(spaces())
def test_slow_axes_change_as_seldom_as_they_can(space):
    rows = [[space.values(position)[f"a{place}"] for place in space.slowest_first] for position in range(len(space))]
    assert rows == sorted(rows)
    for place in range(len(space.axes)):
        seen = [row[: space.slowest_first.index(place) + 1] for row in rows]
        assert space.changes(frozenset([place])) == len(list(itertools.groupby(seen)))


@given(spaces(), st.integers(1, 60))
def test_portions_hold_every_position_once_and_are_no_larger_than_wanted(space, most):
    portions = space.portions(most)
    assert [place for first, last in portions for place in range(first, last)] == list(range(len(space)))
    assert all(first < last for first, last in portions)
    if space.sample is None:
        assert max(last - first for first, last in portions) <= most


@given(st.lists(st.integers(0, 99)), st.integers(1, 9))
def test_stripes_hold_every_portion_once_and_give_each_worker_a_stretch(portions, workers):
    numbered = list(enumerate(portions))
    dealt = striped(numbered, workers)
    assert sorted(dealt) == numbered
    if len(portions) % workers == 0:
        for worker in range(workers):
            taken = [place for place, _ in dealt[worker::workers]]
            assert taken == list(range(taken[0], taken[0] + len(taken))) if taken else True


def test_what_makes_most_run_again_is_slowest():
    axes = [axis("nu", 3, NU), axis("prompt", 2, PROMPT), axis("layout", 2, LAYOUT), axis("both", 2, NU, LAYOUT)]
    assert drawing_order(GRAPH, axes) == (2, 3, 1, 0)


def test_nodes_run_as_often_as_what_they_depend_on_changes():
    axes = (axis("nu", 3, NU), axis("prompt", 4, PROMPT), axis("layout", 5, LAYOUT))
    space = Space(axes, drawing_order(GRAPH, axes))
    runs = runs_of_nodes(GRAPH, space)
    assert (runs["1"], runs["7"]) == (1, 1)
    assert (runs["4"], runs["6"], runs["8"], runs["10"]) == (5, 20, 60, 60)


def test_the_estimate_is_what_the_nodes_will_take():
    axes = (axis("nu", 3, NU), axis("layout", 5, LAYOUT))
    space = Space(axes, drawing_order(GRAPH, axes))
    timings = [{"1": 30.0, "4": 2.0, "8": 9.0}, {"4": 2.0, "8": 1.0}, {"4": 2.0, "8": 1.0}]
    assert seconds_of_nodes(timings) == {"1": 30.0, "4": 2.0, "8": 1.0}
    assert estimated_seconds(GRAPH, space, timings, 15, 1, 5) == 30 + 5 * 2 + 15 * 1
    assert estimated_seconds(GRAPH, space, timings, 15, 3, 5) == (3 * 30 + 5 * 2 + 15 * 1) / 3
