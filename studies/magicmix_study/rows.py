"""The table as views need it: rows with their pictures, and what each varied value can be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from .axes import Value
from .problems import OptionError, StoppedError
from .results import OWN, results
from .store import PICTURES, Store

PICTURE = "picture"
"""The name of the axis that counts an item's pictures, where items have several."""


@dataclass(frozen=True)
class Cell:
    """One picture of the table, or an item without one; `values` are by column, `file` is relative to the study's folder."""

    id: str
    values: Mapping[str, Value]
    file: str | None
    error: str | None


@dataclass(frozen=True)
class Table:
    """All cells in the study's order. `axes` are the varied columns with the values that occur, in the order of first use."""

    cells: Sequence[Cell]
    axes: Mapping[str, Sequence[Value]]


def read_table(store: Store) -> Table:
    """Raises StoppedError where there is nothing to see."""
    manifest, table = store.read_manifest(), results(store)
    if manifest is None or table is None:
        raise StoppedError(f"{store.folder} has no results of a study yet")
    columns = manifest["columns"]
    cells = []
    rows = sorted(table.to_table(["id", "number", *columns, "error", "files"], filter=OWN).to_pylist(), key=lambda row: row["number"])
    several = any(len(_pictures(row)) > 1 for row in rows)
    for row in rows:
        values = {name: row[name] for name in columns}
        for place, file in enumerate(_pictures(row) or [None]):
            cells.append(Cell(row["id"], values | ({PICTURE: place + 1} if several else {}), file, row["error"]))
    names = [*columns, *([PICTURE] if several else [])]
    axes = {name: list(dict.fromkeys(cell.values[name] for cell in cells)) for name in names}
    return Table(cells, {name: sorted(values) if _numbers(values) else values for name, values in axes.items()})


def _pictures(row: dict) -> list[str]:
    return [file["path"] for file in row["files"] or [] if Path(file["path"]).suffix in PICTURES]


def _numbers(values: Sequence[object]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def labels(values: Sequence[Value]) -> list[str]:
    """Short texts for an axis's values: numbers without tails, files by their names where these tell them apart."""
    texts = [f"{value:g}" if isinstance(value, float) else str(value) for value in values]
    stems = [PurePath(text).stem for text in texts]
    paths = all(isinstance(value, str) and PurePath(value).suffix.lower() in PICTURES for value in values)
    return stems if paths and len(set(stems)) == len(stems) else texts


def where(table: Table, conditions: Sequence[str]) -> dict[str, Value]:
    """The values that conditions such as `nu=0.5` name, by their labels or in full. Raises OptionError where there is no such value."""
    found = {}
    for condition in conditions:
        name, _, text = condition.partition("=")
        if name in found:
            raise OptionError(f"--where {condition}: {name} is fixed already")
        if name not in table.axes:
            raise OptionError(f"--where {condition}: varied are {', '.join(table.axes)}")
        values = table.axes[name]
        matching = [value for value, label in zip(values, labels(values), strict=True) if text in (label, str(value))]
        if not matching:
            raise OptionError(f"--where {condition}: {name} is one of {', '.join(labels(values))}")
        found[name] = matching[0]
    return found


def only(table: Table, fixed: Mapping[str, Value]) -> Table:
    """The part of the table with these values."""
    cells = [cell for cell in table.cells if all(cell.values[name] == value for name, value in fixed.items())]
    return Table(cells, {name: [fixed[name]] if name in fixed else values for name, values in table.axes.items()})
