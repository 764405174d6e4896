"""What going on with a study of many finished pictures costs whoever starts it: seconds and memory, each step in a process of its own.

The table is made up, in files of as many rows as a portion has. All rows name one picture: what it costs to look after it is in it,
what another file system takes longer is not. And what does not depend on the work: the items' ids, the portions, the board.
"""

import argparse
import json
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
from study_large import GRAPH, STUDY
from study_runs import PACK, study_folder

sys.path.insert(0, str(PACK / "studies"))
from magicmix_study.board import Board
from magicmix_study.pipeline import StudyItems, _sorted_ids
from magicmix_study.recovery import recover, tried_in_vain
from magicmix_study.space import portions_of
from magicmix_study.store import Journal, Store
from magicmix_study.study import Study
from magicmix_study.study_file import load_study
from magicmix_study.table import as_table, item_schema, row_schema

PORTION = 500
VERSIONS = {"comfyui": "0.3.75"}
GPUS = 1000


def made_up(folder: str, count: int) -> Path:
    """A finished study's folder, with a journal that was not cleared."""
    store, study = Store(Path(folder) / "out"), study_of(folder)
    store.make()
    picture = store.keep_file("0" * 32, 0, "x.bin", b"0" * 1000)
    row = {"seed": 1, "started": 1, "seconds": 1.0, "worker": "worker-0", "attempts": 1, "sampling_steps": 20}
    row["files"] = [{"node": "2"} | picture]
    journal = Journal(store.journal, "worker-0")
    with journal.file.open("a") as lines:
        for first in range(0, count, PORTION):
            rows = [study.item(place, VERSIONS) | row for place in range(first, min(first + PORTION, count))]
            pq.write_table(as_table(rows, schema_of(study)), store.results / f"{first:09d}.parquet")
            pq.write_table(pa.table({"id": [row["id"] for row in rows]}), store.done / f"{first:09d}.parquet")
            lines.writelines(json.dumps({"done": row}) + "\n" for row in rows)
    return store.folder


def study_of(folder: str) -> Study:

    return load_study(Path(folder) / "study.toml")


def schema_of(study: Study) -> pa.Schema:
    return row_schema(item_schema(study.space.axes))


def store_of(folder: str) -> Store:

    return Store(Path(folder) / "out")


def read_the_journal(folder: str, study: Study) -> None:
    tried_in_vain(store_of(folder))


def mend_the_folder(folder: str, study: Study) -> None:
    recover(store_of(folder), schema_of(study))


def sort_the_ids(folder: str, study: Study) -> None:
    """As Ray Data's filter gets them."""
    files = [str(file) for file in store_of(folder).done.glob("*.parquet")]
    _sorted_ids._function(files, pyarrow.fs.LocalFileSystem(), "id")


def make_the_items(folder: str, study: Study) -> None:
    for _ in study.items(VERSIONS):
        pass


def make_the_portions(folder: str, study: Study) -> None:
    StudyItems(None, schema_of(study), VERSIONS, portions_of(study.space, GPUS)).get_read_tasks(1)


def lease_workers(folder: str, study: Study) -> None:
    """A worker for each portion, from a board of 1,000."""
    board = Board([f"worker-{place}" for place in range(GPUS)])
    for _ in range(len(study.space) // PORTION):
        board.give_back(board.lease([], "worker-500"))


def measured(step: Callable[[str, Study], None], folder: str) -> tuple[float, float]:
    """Seconds of a core, and MiB that the step needs at the most beyond what its process had."""
    study = study_of(folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    step(folder, study)
    return time.process_time() - began, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300_000)
    count = parser.parse_args().count
    processes = multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1)
    with study_folder(GRAPH, STUDY.format(count=count)) as folder, processes as pool:
        out = pool.apply(made_up, [str(folder), count])
        for name in ("results", "journal"):
            size = sum(file.stat().st_size for file in (out / name).iterdir())
            print(f"{name}: {size / count:.0f} bytes a picture")
        for step in (read_the_journal, sort_the_ids, mend_the_folder, make_the_items, make_the_portions, lease_workers):
            seconds, memory = pool.apply(measured, [step, str(folder)])
            print(
                f"{step.__name__.replace('_', ' ')}: {seconds / count * 1e6:.1f} us of a core and {memory * 2**20 / count:.0f} bytes a picture",
                flush=True,
            )


if __name__ == "__main__":
    main()
