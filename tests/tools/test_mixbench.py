"""The benchmark's edits: what may change is where the edited thing is, and nothing else changes."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools" / "mixbench"))

from cases import TASKS, allowed_to_change, boxes, compose, load_composer, make_cases
from report import claims, frontier, interval, table

COUNT = 24


@pytest.fixture(scope="module")
def composer():
    return load_composer(128)


@pytest.fixture(scope="module")
def cases(composer):
    return make_cases(composer, COUNT)


def test_every_task_has_its_share(cases):
    assert [case.task for case in cases] == [TASKS[number % len(TASKS)] for number in range(COUNT)]


def test_fewer_cases_are_the_first_ones(composer, cases):
    assert make_cases(composer, 7) == cases[:7]


def test_texts_differ_by_the_edit(cases):
    for case in cases:
        source, target = case.texts
        assert source != target
        named = source if case.task == "remove" else target
        assert f"{case.thing.colour} {case.thing.name}".strip() in named


def test_a_new_colour_is_not_the_backgrounds(composer):
    for case in make_cases(composer, 200):
        assert case.task != "recolour" or case.thing.colour not in case.source.background
        assert case.source.background != "grass" or case.thing.colour not in ("green", "blue")


def test_only_what_may_change_changes(composer, cases):
    for case in cases:
        if case.task in ("swap", "real", "recolour") and case.source.place != "on":  # there the rider sits where the carrier ends
            before, after = compose(composer, case)
            changed = (before.pixels.astype(int) - after.pixels).any(-1)
            assert not (changed & ~allowed_to_change(composer, case)).any()


def test_the_judged_thing_is_where_the_edit_may_change_the_picture(composer, cases):
    for case in cases:
        left, top, right, bottom = boxes(composer, case)[case.edited]
        change = allowed_to_change(composer, case)
        assert change[(top + bottom) // 2, (left + right) // 2]
        assert 0.02 < change.mean() < 0.8 or case.task == "mix"


def test_an_interval_holds_the_mean_and_leaves_out_what_is_not_measured():
    mean, low, high = interval(np.array([1.0, 2.0, 3.0, np.nan]))
    assert mean == 2 and low < 2 < high
    assert all(np.isnan(interval(np.array([np.nan]))))


def test_the_frontier_has_no_point_that_another_exceeds():
    points = np.array([[0, 3], [1, 1], [2, 2], [3, 0.5]])
    assert frontier(points).tolist() == [[0, 3], [2, 2], [3, 0.5]]


def test_claims_compare_the_same_cases():
    measures = {"structure": 0.1, "place": "nan", "both": "nan", "balance": 0.5, "calls": 40, "layout": 0.5}
    settings = {("re-prompting", ""): 10.0, ("Prompt-to-Prompt", "0.8, 0.4"): 20.0, ("Prompt-to-Prompt + local blend", "0.8, 0.4"): 30.0}
    rows = [
        {"case": case, "task": "swap", "method": method, "strength": strength, "kept": kept, "content": 0.5} | measures
        for case in range(3)
        for (method, strength), kept in settings.items()
    ]
    edit, plain = "Prompt-to-Prompt (0.8, 0.4)", "re-prompting"
    assert dict(claims(rows)) == {
        f"swap: kept, dB, Prompt-to-Prompt + local blend (0.8, 0.4) - {edit}": "+10.00 [+10.00, +10.00], n = 3",
        f"swap: content, Prompt-to-Prompt + local blend (0.8, 0.4) - {edit}": "+0.00 [+0.00, +0.00], n = 3",
        f"swap: kept, dB, {edit} - {plain}": "+10.00 [+10.00, +10.00], n = 3",
        f"swap: content, {edit} - {plain}": "+0.00 [+0.00, +0.00], n = 3",
    }
    assert table(rows).count("\n") == 4
