"""For tests of studies: the command, small graphs, and what a study's folder holds."""

import json
import os
import socket
import sys
import time
from pathlib import Path

import pyarrow.dataset as datasets

REPOSITORY = Path(__file__).resolve().parent.parent
FAULT_NODES = REPOSITORY / "tests" / "studies" / "fault_nodes"
LOCAL_RAY = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token"}
"""As a local Ray runs: whoever joins it must look for it on the loopback too, and show its token."""


def host() -> Path:
    """The ComfyUI that the other tests use."""
    return Path(os.environ.get("COMFYUI_PATH", REPOSITORY / ".host" / "ComfyUI"))


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "magicmix_study.cli", *map(str, arguments)]


def small_graph(save: str = "SaveImage") -> dict:
    """A picture of one colour, which goes through the node that can go wrong."""
    saved = {"image": ["2", 0], "number": 0} if save == "SaveTruncated" else {"images": ["2", 0], "filename_prefix": "study"}
    return {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}, "_meta": {"title": "Colour"}},
        "2": {"class_type": "Faulty", "inputs": {"image": ["1", 0], "number": 0}},
        "3": {"class_type": save, "inputs": saved, "_meta": {"title": "Kept"}},
    }


def write_study(folder: Path, text: str, graph: dict | None = None) -> Path:
    """A study file with this text, beside its graph."""
    (folder / "graph.json").write_text(json.dumps(graph or small_graph()))
    file = folder / "study.toml"
    file.write_text(f'graph = "graph.json"\n{text}')
    return file


def rows_of(out: Path) -> dict[str, dict]:
    """The table by id; each id must be there once."""
    rows = datasets.dataset(out / "results", format="parquet").to_table().to_pylist()
    by_id = {row["id"]: row for row in rows}
    assert len(by_id) == len(rows), "an id is there twice"
    return by_id


def bits_of(out: Path) -> dict[str, list[bytes]]:
    """The files of all rows that have some, by id."""
    return {key: [(out / file["path"]).read_bytes() for file in row["files"]] for key, row in rows_of(out).items() if row["files"]}


def listens(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) == 0


def wait_until(condition, otherwise: str, seconds: float = 300):
    """Polls until the condition holds; returns what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)
    return found
