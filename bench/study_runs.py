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

sys.path.insert(0, str(PACK / "studies"))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [sys.path[0], os.environ.get("PYTHONPATH")]))


@dataclass(frozen=True)
class Measured:
    """A finished study: its rows, the seconds of the whole command, the driver's largest resident memory in bytes, and seconds of a
    core: those of the driver alone, and of all its processes, ComfyUI's not among them."""

    rows: list[dict]
    seconds: float
    memory: int
    driver: float
    cpu: float

    def steady(self) -> tuple[float, int]:
        """Seconds from the start of the first picture after the first ten to the end of the last, and how many these are."""
        rows = sorted(self.rows, key=lambda row: row["started"])[FIRST:]
        end = max(row["started"].timestamp() + row["seconds"] for row in rows)
        return end - rows[0]["started"].timestamp(), len(rows)


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
    began, memory, cpu = time.perf_counter(), 0, {}
    log = folder / f"{out}.log"
    with log.open("w") as said, subprocess.Popen([*map(str, command)], stdout=said, stderr=said, stdin=subprocess.DEVNULL) as driver:
        process = psutil.Process(driver.pid)
        while driver.poll() is None:
            memory = max(memory, process.memory_info().rss)
            with suppress(psutil.NoSuchProcess):
                for each in [process, *process.children(recursive=True)]:
                    cpu[each.pid] = sum(each.cpu_times()[:2])
            time.sleep(0.2)
    seconds = time.perf_counter() - began
    if driver.returncode:
        raise RuntimeError(log.read_text())
    rows = datasets.dataset(folder / out / "results", format="parquet").to_table().to_pylist()
    return Measured(rows, seconds, memory, cpu[driver.pid], sum(cpu.values()))


def per_picture(rows: Sequence[dict], name: str) -> float:
    return sum(row[name] for row in rows) / len(rows)
