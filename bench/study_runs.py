"""Studies for the measurements: the command in a process of its own, and what its table says."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow.dataset as datasets

PACK = Path(__file__).resolve().parent.parent
COMFYUI = Path(os.environ.get("COMFYUI_PATH", PACK / ".host" / "ComfyUI"))
NODES = Path(__file__).with_name("study_nodes")
FIRST = 10
"""Pictures that a study draws before it begins in earnest."""
LOOK_EVERY = 10
"""Samples from one search for new ComfyUIs to the next."""

sys.path.insert(0, str(PACK / "studies"))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [sys.path[0], os.environ.get("PYTHONPATH")]))


@dataclass(frozen=True)
class Sample:
    """At a time, seconds of a core since the command began: of the driver, of all the study's processes, the driver and Ray's among
    them, and of its ComfyUIs; and of the whole machine since it started."""

    at: float
    driver: float
    study: float
    servers: float
    machine: float


@dataclass(frozen=True)
class Measured:
    """A finished study: its rows, the seconds of the whole command, the driver's largest resident memory in bytes, and what it used
    in the meantime, in the order of time. ComfyUIs that ran before are not counted."""

    rows: list[dict]
    seconds: float
    memory: int
    samples: list[Sample]

    def steady(self) -> tuple[float, float, int]:
        """The start of the first picture after the first ten, the end of the last, and how many these are."""
        rows = sorted(self.rows, key=lambda row: row["started"])[FIRST:]
        end = max(row["started"].timestamp() + row["seconds"] for row in rows)
        return rows[0]["started"].timestamp(), end, len(rows)

    def used(self, name: str, start: float, end: float) -> float:
        """Seconds of a core in between."""
        first, last = (next((sample for sample in self.samples if sample.at >= at), self.samples[-1]) for at in (start, end))
        return getattr(last, name) - getattr(first, name)


@contextmanager
def study_folder(graph: dict, text: str) -> Iterator[Path]:
    """A temporary folder with a study of this graph and text, `study.toml`."""
    with tempfile.TemporaryDirectory(prefix="magicmix-bench-") as name:
        folder = Path(name)
        (folder / "graph.json").write_text(json.dumps(graph))
        (folder / "study.toml").write_text(f'graph = "graph.json"\n{text}')
        yield folder


def run_study(folder: Path, out: str, *more: object) -> Measured:
    """Runs the folder's study. Raises RuntimeError with what it said when it fails."""
    command = [sys.executable, "-m", "magicmix_study.cli", "run", folder / "study.toml", "--out", folder / out, "--yes", *more]
    if "--server" not in more:
        command += ["--comfy", COMFYUI, "--python", sys.executable, "--nodes", PACK, "--nodes", NODES, "--threads", 1]
    began, memory, seconds_of, samples, guards = time.perf_counter(), 0, {}, [], []
    log = folder / f"{out}.log"
    with log.open("w") as said, subprocess.Popen([*map(str, command)], stdout=said, stderr=said, stdin=subprocess.DEVNULL) as driver:
        process = psutil.Process(driver.pid)
        while driver.poll() is None:
            memory = max(memory, process.memory_info().rss)
            if len(samples) % LOOK_EVERY == 0:
                guards = guards_of(folder / out)
            with suppress(psutil.NoSuchProcess):
                for each in [process, *process.children(recursive=True)]:
                    seconds_of["study", each.pid] = sum(each.cpu_times()[:2])
            for guard in guards:
                with suppress(psutil.NoSuchProcess):
                    for each in guard.children(recursive=True):
                        seconds_of["servers", each.pid] = sum(each.cpu_times()[:2])
            sums = {name: sum(value for (kind, _), value in seconds_of.items() if kind == name) for name in ("study", "servers")}
            samples.append(Sample(time.time(), seconds_of["study", driver.pid], **sums, machine=busy_seconds()))
            time.sleep(0.2)
    seconds = time.perf_counter() - began
    if driver.returncode:
        raise RuntimeError(log.read_text())
    rows = datasets.dataset(folder / out / "results", format="parquet").to_table().to_pylist()
    return Measured(rows, seconds, memory, samples)


def guards_of(out: Path) -> list[psutil.Process]:
    """The processes that keep the ComfyUIs of a study. They are no children of its own, and each is named by its log."""
    logs = str(out / "logs")
    named = [process for process in psutil.process_iter(["cmdline"]) if any("guard.py" in part for part in process.info["cmdline"] or [])]
    return [process for process in named if any(part.startswith(logs) for part in process.info["cmdline"])]


def busy_seconds() -> float:
    """Of all cores together, since the machine started."""
    times = psutil.cpu_times()
    return sum(times[:3])  # user, nice, system


def per_picture(rows: Sequence[dict], name: str) -> float:
    return sum(row[name] for row in rows) / len(rows)
