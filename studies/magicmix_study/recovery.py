"""Brings a study's folder in order before work goes on: each id at most once, each with its pictures whole, nothing finished lost."""

import json
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from .results import PENDING, ids_in, whole_tables
from .store import Store, journal_lines, write_whole
from .table import as_table

Tried = dict[str, list[str]]
"""By id of an item that is not in the table: the workers on which it failed."""


@dataclass(frozen=True)
class Recovered:
    """How many rows the table has, what was tried in vain, how many rows were damaged and how many came from the journal."""

    rows: int
    tried: Tried
    damaged: int = 0
    rescued: int = 0


def recover(store: Store, schema: pa.Schema, again: Callable[[dict], bool] = lambda row: False) -> Recovered:
    """Mends the table, `done/` and the journal. Rows for which `again` holds are taken out, to be drawn again.

    Each step leaves a folder that the next call mends to the same end, so that it may be cut off anywhere. Nothing may be
    drawn meanwhile.
    """
    _drop_unfinished(store)
    ids, damaged = _mend(store, again)
    rescued = _rescue(store, schema, ids)
    _write_done(store, ids)
    _keep_failures(store, lambda item_id: item_id not in ids)  # the others are of no use any longer
    return Recovered(len(ids), tried_in_vain(store), damaged, rescued)


def forget_failures(store: Store, schema: pa.Schema) -> None:
    """Takes failed rows out of the table, and all attempts out of the journal."""
    recover(store, schema, again=lambda row: row["error"] is not None)
    for file in store.journal.glob("*.jsonl"):
        file.unlink()


def tried_in_vain(store: Store) -> Tried:
    """The journal's failures."""
    failures = {line["failed"]["key"]: line["failed"] for line in journal_lines(store.journal) if "failed" in line}
    tried: Tried = {}
    for failure in failures.values():
        tried.setdefault(failure["item"]["id"], []).append(failure["worker"])
    return tried


def add_rows(store: Store, rows: list[dict], schema: pa.Schema, name: str) -> None:
    """Adds rows whose ids are not there to the table, then to `done/`."""
    _replace(store.results / f"{name}.parquet", as_table(rows, schema))
    _replace(store.done / f"{name}.parquet", pa.table({"id": pa.array([row["id"] for row in rows], pa.string())}))


def renumber(store: Store, schema: pa.Schema, items: Iterable[dict]) -> None:
    """Brings the folder in line with a study that was changed: the rows of its `items` get their numbers and values, the others lose
    their number. Failures of what is no item any longer are forgotten."""
    tried = tried_in_vain(store).keys()
    there = ids_in(store)
    own = {item["id"]: item for item in items if item["id"] in there or item["id"] in tried}
    for file in whole_tables(store):
        table = pq.read_table(file)
        rows = [row | own[row["id"]] if row["id"] in own else _as_other(row, schema) for row in table.to_pylist()]
        more = [field for field in table.schema if field.name not in schema.names]
        _replace(file, as_table(rows, pa.schema([*schema, *more])))
    _keep_failures(store, lambda item_id: item_id in own and item_id not in there)


def _as_other(row: dict, schema: pa.Schema) -> dict:
    """A row without its number, and without values that have no place in a table of this schema."""
    return row | {field.name: _as_kind(row.get(field.name), field.type) for field in schema} | {"number": None}


def _as_kind(value: object, kind: pa.DataType) -> object:
    try:
        return pa.scalar(value, kind).as_py()
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return None


def _drop_unfinished(store: Store) -> None:
    """Files that Ray Data was about to write when it was cut off: it names them before it writes them."""
    for pending in store.done.glob(f"*{PENDING}"):
        for file in store.results.glob(f"{pending.name.removesuffix(PENDING)}*.parquet"):
            file.unlink()
        pending.unlink()


def _mend(store: Store, again: Callable[[dict], bool]) -> tuple[set[str], int]:
    """Keeps of the table what is whole and there for the first time."""
    ids: set[str] = set()
    damaged = 0
    for file in sorted(store.results.glob("*.parquet")):
        try:
            table = pq.read_table(file)
        except (pa.ArrowInvalid, OSError):
            file.unlink()
            continue
        keep = []
        for row in table.select(["id", "error", "files"]).to_pylist():
            first = row["id"] not in ids
            whole = row["error"] is not None or store.intact(row["files"] or [])
            keep.append(first and whole and not again(row))
            if keep[-1]:
                ids.add(row["id"])
            damaged += first and not whole
        if not all(keep):
            _replace(file, table.filter(pa.array(keep)))
    return ids, damaged


def _rescue(store: Store, schema: pa.Schema, ids: set[str]) -> int:
    """Puts into the table what the journal has and the table has not."""
    rows = {}
    for line in journal_lines(store.journal):
        if "done" in line and line["done"]["id"] not in ids and store.intact(line["done"]["files"]):
            rows[line["done"]["id"]] = line["done"]
    if rows:
        add_rows(store, list(rows.values()), schema, f"rescued-{uuid.uuid4().hex}")
        ids.update(rows)
    return len(rows)


def _keep_failures(store: Store, wanted: Callable[[str], bool]) -> None:
    """Of the journal, only failures of items that are wanted."""
    old = list(store.journal.glob("*.jsonl"))
    lines = [line for line in journal_lines(store.journal) if "failed" in line and wanted(line["failed"]["item"]["id"])]
    if lines:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        write_whole(store.journal / f"failures-{uuid.uuid4().hex}.jsonl", text.encode())
    for file in old:
        file.unlink()


def _write_done(store: Store, ids: set[str]) -> None:
    """`done/` in one file: quick to read, and just what the table has."""
    old = list(store.done.glob("*.parquet"))
    if ids:
        _replace(store.done / f"all-{uuid.uuid4().hex}.parquet", pa.table({"id": pa.array(sorted(ids), pa.string())}))
    for file in old:
        file.unlink()


def _replace(file: Path, table: pa.Table) -> None:
    if not table.num_rows:
        file.unlink(missing_ok=True)
        return
    part = file.with_name(f".{file.name}.part")
    pq.write_table(table, part)
    part.replace(file)
