"""Who draws what, and what people see of it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from magicmix_study.board import Board
from magicmix_study.cluster import Joined
from magicmix_study.comfy_process import Launch
from magicmix_study.options import Options, servers_of
from magicmix_study.progress import duration, line


def asked_for(workers: int | None) -> Options:
    launch = Launch("ComfyUI", "python")
    return Options(Path("out"), None, launch, (), workers, None, True, False, None, False, False)


@pytest.mark.parametrize(
    ("gpus", "workers", "count", "share"),
    [(4, None, 4, 1), (4, 2, 2, 1), (4, 6, 6, 0.5), (3, 7, 7, 0.3333), (1, 6, 6, 0.1666), (0, None, 1, 0), (0, 3, 3, 0)],
)
def test_each_worker_has_a_gpu_or_a_part_of_one_that_has_room_for_all(gpus, workers, count, share):
    """Ray counts GPUs in parts of ten thousand, and gives nobody parts of two."""
    servers, names, each = servers_of(asked_for(workers), Joined(gpus, None, True))
    assert (len(servers), len(set(names)), each) == (count, count, share)
    assert {server.cpu for server in servers} == {gpus == 0}
    assert not gpus or round(each * 10_000) * -(-count // gpus) <= 10_000


def test_each_worker_is_leased_once_before_any_twice():
    board = Board(["a", "b", "c"])
    assert {board.lease([]) for _ in range(3)} == {"a", "b", "c"}
    board.give_back("b")
    assert board.lease([]) == "b"


def test_a_worker_to_avoid_is_taken_only_where_there_is_no_other():
    board = Board(["a", "b"])
    assert [board.lease(["a"]) for _ in range(2)] == ["b", "b"]
    assert Board(["a"]).lease(["a"]) == "a"


def test_a_worker_keeps_to_its_portion():
    board = Board(["a", "b"])
    assert board.lease([], "b") == "b"


def test_a_broken_worker_rests_until_it_is_well():
    board = Board(["a", "b"])
    board.mark_broken("a", "no power")
    assert [board.lease([]) for _ in range(2)] == ["b", "b"]
    board.mark_broken("b", "no power either")
    assert board.lease([]) is None and board.whats_broken() == {"a": "no power", "b": "no power either"}
    board.mark_well("a")
    assert board.lease([]) == "a"


def test_the_first_reason_to_stop_stays():
    board = Board(["a"])
    assert board.count({"done": 2}) is None
    board.stop("the disk is full")
    board.stop("something else")
    assert board.count({"done": 1, "put_off": 1}) == "the disk is full"
    board.next_pass()
    assert board.state()["counts"] == {"done": 3, "put_off": 0}


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59.6, "1 min"), (190, "3 min 10 s"), (3600, "1 h"), (19260, "5 h 21 min"), (86400, "1 day"), (183600, "2 days 3 h")],
)
def test_durations_are_said_as_people_say_them(seconds, said):
    assert duration(seconds) == said


def test_the_line_says_rate_done_failed_and_remaining():
    assert line(200, 120, 2, 1, 1.5) == "120 of 200 done, 2 failed, 1 to be tried again, 1.5 pictures/s, 52 s left"
    assert line(200, 10, 0, 0, 0.1) == "10 of 200 done, 0 failed, 6.0 pictures/min, 31 min 40 s left"
    assert line(2, 2, 0, 0, 0) == "2 of 2 done, 0 failed"


@given(st.integers(0, 10**7))
def test_a_duration_names_two_units_at_most_and_is_off_by_less_than_the_smaller(seconds):
    sizes = {"s": 1, "min": 60, "h": 3600, "day": 86400, "days": 86400}
    words = duration(seconds).split()
    parts = [(int(number), sizes[unit]) for number, unit in zip(words[::2], words[1::2], strict=True)]
    assert len(parts) <= 2
    assert 0 <= seconds - sum(number * size for number, size in parts) < max(1, {86400: 3600, 3600: 60}.get(parts[0][1], 1))
