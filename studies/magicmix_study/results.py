"""The table of results in a study's folder, as it may be read while it grows."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as datasets

from .store import Store

PENDING = ".pending.parquet"
"""How Ray Data ends the names of notes in `done/` about files that it is writing."""
OWN = datasets.field("number").is_valid()
"""Rows of the study as it is. Those of what it was before it was changed have lost their number."""
FAILED = datasets.field("error").is_valid()


def whole_tables(store: Store) -> list[Path]:
    """The table's files, without those that are being written."""
    files = sorted(store.results.glob("*.parquet"))
    unfinished = tuple(note.name.removesuffix(PENDING) for note in store.done.glob(f"*{PENDING}"))  # after the files: none is missed
    return [file for file in files if not file.name.startswith(unfinished)]


def results(store: Store) -> datasets.Dataset | None:
    """The table; None before its first row."""
    files = whole_tables(store)
    return datasets.dataset(files, format="parquet") if files else None


def count(store: Store, condition: datasets.Expression) -> int:
    """How many rows there are of which the condition holds."""
    table = results(store)
    return table.count_rows(filter=condition) if table else 0


def ids_in(store: Store, among: Sequence[str] | None = None) -> set[str]:
    """The ids in the table: all, or those of `among` that are there."""
    table = results(store)
    if table is None:
        return set()
    condition = None if among is None else datasets.field("id").isin(pa.array(among, pa.string()))
    return set(table.to_table(["id"], filter=condition)["id"].to_pylist())
