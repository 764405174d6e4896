"""What goes wrong in a study, with real processes: after going on, every picture is there once, and as in an undisturbed study."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from magicmix_study.cli import main
from magicmix_study.store import Store
from magicmix_study.study_file import load_study
from magicmix_study.worker import Worker
from study_runs import FAULT_NODES, bits_of, command, host, rows_of, small_graph, wait_until, write_study

COUNT = 30
QUICK = "--comfy-arg=--disable-api-nodes"
"""A ComfyUI starts a tenth faster without them."""
GRAPH = small_graph("SaveTruncated")
TIME_LIMIT = 10
"""Seconds, more than an item takes on a busy machine."""
POISONED = 13
"""It can never be drawn."""


def items(values: str) -> str:
    inputs = '[["Colour", "color"], ["Faulty", "number"], ["Kept", "number"]]'
    return f'time_limit = {TIME_LIMIT}\n[[vary]]\nname = "item"\ninputs = {inputs}\n{values}\n'


ITEMS = items(f"range = {{ from = 1, to = {COUNT}, step = 1 }}")


@pytest.fixture(scope="module")
def undisturbed(run_anywhere, tmp_path_factory):
    """The bits of the pictures, by id, of a study in which nothing goes wrong, all of it without Ray Data."""
    folder = tmp_path_factory.mktemp("calm")
    values = [item for item in range(1, COUNT + 1) if item != POISONED]
    status, said = run_anywhere(write_study(folder, items(f"values = {values}"), GRAPH), folder / "out")
    assert status == 0 and "complete: 29 pictures" in said, said
    return bits_of(folder / "out")


@pytest.fixture
def study(study_file):
    return study_file(ITEMS, GRAPH)


def pictures_in(out: Path) -> int:
    return len(list(out.glob("pictures/*/*.png")))


def guards_of(out: Path) -> list[psutil.Process]:
    """The processes that keep the servers of a study."""
    log = str(out / "logs")
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any("guard.py" in part for part in process.info["cmdline"] or [])
        and any(part.startswith(log) for part in process.info["cmdline"])
    ]


def is_whole(out: Path, undisturbed: dict) -> bool:
    return len(rows_of(out)) == COUNT and bits_of(out) == undisturbed


PICKY = (2, 9, 22, 27)
"""Items that one server refuses, whichever is first. 22 is one of the study's first ten."""


def test_a_hang_a_truncated_picture_and_a_poisoned_item_do_not_stop_a_study(undisturbed, run, study, faults, tmp_path, capsys):
    for mark in ("hang-4", "truncate-7", "hang-20", *(f"picky-{item}" for item in PICKY)):
        (faults / mark).touch()
    status, said = run(study)
    assert status == 3 and "complete: 29 pictures" in said and "1 could not be drawn" in said, said
    assert not list(faults.iterdir()), "all of it happened"
    out = tmp_path / "out"
    rows = {row["item"]: row for row in rows_of(out).values()}
    assert [item for item, row in rows.items() if row["error"]] == [POISONED]
    assert (rows[POISONED]["attempts"], rows[POISONED]["error"]) == (3, "Faulty (node 2): thirteen cannot be drawn")
    assert {4, 7, 20} <= {item for item, row in rows.items() if row["attempts"] > 1}
    assert {rows[item]["attempts"] for item in PICKY} == {2}, "the second try is another worker's"
    assert is_whole(out, undisturbed)

    main(["status", str(out)])
    counted, error = capsys.readouterr().out.splitlines()
    assert counted == "29 of 30 done, 1 failed, 0 remain" and error.startswith("1 x Faulty (node 2): thirteen cannot be drawn")

    (faults / f"freeze-{POISONED}").write_text("25")
    status, said = run(study, "out", "--retry-failed")
    assert status == 3 and "29 of 30 were drawn earlier" in said, said
    assert f" rests: took longer than the time limit of {TIME_LIMIT} s" in said, "the server is not the study's to end"
    again = {row["item"]: row for row in rows_of(out).values()}
    assert again[POISONED]["attempts"] == 3 and {item for item, row in again.items() if row != rows[item]} <= {POISONED}, (
        "the others were left alone"
    )


def test_a_server_a_worker_and_the_driver_may_be_killed_and_a_server_may_freeze(undisturbed, run, study, faults, tmp_path):
    """A server that is frozen hears no interrupt: only its end helps."""
    out = tmp_path / "out"
    start = command(
        "run", study, "--out", out, "--comfy", host(), "--python", sys.executable, "--nodes", FAULT_NODES, "--threads", "1", QUICK
    )
    (faults / "freeze-17").touch()
    slow = os.environ | {"FAULTS_PAUSE": "0.4"}
    driver = subprocess.Popen(start, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=slow)

    def goes_on(how_far: int) -> int:
        wait_until(lambda: pictures_in(out) >= how_far or driver.poll() is not None, f"more than {pictures_in(out)} pictures")
        assert driver.poll() is None, driver.stdout.read()
        return pictures_in(out)

    with driver:
        seen = goes_on(11)  # the first ten, which lack 13, and two
        (server,) = guards_of(out)[0].children()
        server.kill()
        seen = goes_on(seen + 2)
        (worker,) = {int(file.stem.split("-")[2]) for file in out.glob("journal/worker-0-*.jsonl")}
        os.kill(worker, signal.SIGKILL)
        seen = goes_on(seen + 2)
        wait_until(lambda: not list(faults.iterdir()) or driver.poll() is not None, "the server freezes")
        goes_on(pictures_in(out) + 2)
        driver.kill()
    wait_until(lambda: not guards_of(out), "no server outlives the study", 60)
    assert pictures_in(out) < COUNT - 1, "it was killed on its way"

    status, said = run(study)
    assert status == 3, said
    assert is_whole(out, undisturbed)


class Kept:
    """In the place of a process of the worker's own: its server stays, and how often it was to end is counted."""

    def __init__(self):
        self.alive, self.ends = True, 0

    async def stop(self):
        self.ends += 1

    def forget(self, entry):
        """Its files stay too."""


@pytest.mark.parametrize(("fails", "ends"), [("1101110", 1), ("110110", 0), ("11111110", 1), ("11101110", 2)])
def test_three_failures_in_a_row_start_a_server_anew_once(servers, study, tmp_path, fails, ends):
    loaded, own = load_study(study), Kept()
    Store(tmp_path / "out").make()
    good, bad = (loaded.item(item - 1, {}) for item in (1, POISONED))

    async def drawn() -> list[str]:
        worker = Worker("w", servers[0], loaded, str(tmp_path / "out"))
        kinds = []
        for fail in fails:
            await worker.describe()  # connects, where it is not
            worker.process = own
            kinds.append((await worker.draw(bad if fail == "1" else good, 0)).kind)
        await worker.close()
        return kinds

    assert asyncio.run(drawn()) == ["failed" if fail == "1" else "done" for fail in fails]
    assert own.ends == ends + 1, "and once when the worker closed"


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of its own with little room; `small_disk(kilobytes)` mounts it, or changes its size."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = []
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]

    def sized(kilobytes: int) -> Path:
        how = ["-o", f"remount,size={kilobytes}k"] if mounted else ["-t", "tmpfs", "-o", f"size={kilobytes}k,mode=777"]
        subprocess.run([*root, shutil.which("mount"), *how, "tmpfs", str(folder)], check=True)
        mounted.append(folder)
        return folder

    yield sized
    if mounted:
        subprocess.run([*root, shutil.which("umount"), str(folder)], check=True)


def test_a_full_disk_stops_a_study_which_goes_on_when_there_is_room(undisturbed, run, study, servers, small_disk):
    out = small_disk(120) / "study"
    status, said = run(study, out, on=servers[:1])
    assert status == 1 and "no space left" in said and "the same command goes on from here" in said, said
    assert 0 < pictures_in(out) < COUNT - 1
    small_disk(20_000)
    status, said = run(study, out)
    assert status == 3, said
    assert is_whole(out, undisturbed)
