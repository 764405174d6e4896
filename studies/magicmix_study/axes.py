"""What a study varies: columns of values, side by side in axes. All columns of an axis change together."""

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import pyarrow.parquet as pq

Value = str | int | float | bool
Target = tuple[str, str]
"""A node's id and the name of its input."""

DIGITS = 10
"""Decimal places of a range's values: 0.1 + 0.2 is 0.3."""
MOST_VALUES = 1_000_000


@dataclass(frozen=True)
class Column:
    """One varied value: its name in the table, the inputs that it sets, and whether it names a file."""

    name: str
    targets: tuple[Target, ...]
    is_file: bool = False


@dataclass(frozen=True)
class Axis:
    """`rows` holds a value for each column. `line` is where the study file begins to speak of it."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    line: int

    def __len__(self) -> int:
        return len(self.rows)


def zipped(axes: Sequence[Axis]) -> Axis:
    """Axes of one length, hand in hand. Raises ValueError where their lengths differ."""
    if len({len(axis) for axis in axes}) != 1:
        lengths = ", ".join(f"{axis.columns[0].name} {len(axis)}" for axis in axes)
        raise ValueError(f"what is zipped must be of one length, got {lengths}")
    columns = tuple(column for axis in axes for column in axis.columns)
    rows = tuple(tuple(value for row in together for value in row) for together in zip(*(axis.rows for axis in axes), strict=True))
    return Axis(columns, rows, axes[0].line)


def repeated(axis: Axis) -> tuple[Value, ...] | None:
    """A row that the axis has twice, if there is one: it would draw the same picture again."""
    seen = set()
    for row in axis.rows:
        if row in seen:
            return row
        seen.add(row)
    return None


def of_one_kind(values: Sequence[object], current: object) -> list[Value]:
    """The values as one kind: text, numbers (whole ones, unless one is not or the input's `current` value is not) or yes and no.

    Raises ValueError where they are of several kinds, or of none of these.
    """
    kinds = {type(value) for value in values}
    if not kinds <= {str, int, float, bool}:
        raise ValueError(
            f"values must be text, numbers, true or false, got {next(value for value in values if type(value) not in (str, int, float, bool))!r}"
        )
    if kinds <= {int, float}:
        if any(type(value) is float and not math.isfinite(value) for value in values):
            raise ValueError("numbers must be finite")
        whole = kinds == {int} and type(current) is not float
        return [value if whole else float(value) for value in values]
    if len(kinds) != 1:
        raise ValueError(f"values must be of one kind, got {', '.join(sorted(kind.__name__ for kind in kinds))}")
    return list(values)


def range_values(spec: object) -> list[int | float]:
    """The numbers of `{from, to, count}` or `{from, to, step}`, both ends included. Raises ValueError where it is none."""
    if not isinstance(spec, dict):
        raise ValueError(f"a range is {{ from, to, count }} or {{ from, to, step }}, got {spec!r}")
    if set(spec) not in ({"from", "to", "count"}, {"from", "to", "step"}) or any(
        type(value) not in (int, float) for value in spec.values()
    ):
        raise ValueError(f"a range is {{ from, to, count }} or {{ from, to, step }} with numbers, got {spec}")
    start, stop = spec["from"], spec["to"]
    if not all(map(math.isfinite, spec.values())):
        raise ValueError("numbers must be finite")
    if "count" in spec:
        count = spec["count"]
        if type(count) is not int or count < 1 or (count == 1 and start != stop):
            raise ValueError(f"count must be a whole number of 2 or more, got {count}")
        step = (stop - start) / (count - 1) if count > 1 else 0
    else:
        step = spec["step"]
        if step == 0 or (stop - start) / step < 0:
            raise ValueError(f"step must lead from {start} to {stop}, got {step}")
        count = math.floor((stop - start) / step + 10**-DIGITS) + 1
    if count > MOST_VALUES:
        raise ValueError(f"at most {MOST_VALUES} values, got {count}")
    values = [round(start + position * step, DIGITS) for position in range(count)]
    whole = type(start) is type(stop) is int and all(value == int(value) for value in values)
    return [int(value) for value in values] if whole else [float(value) for value in values]


def path_in(folder: Path, name: str) -> Path:
    """The path of a file, or of a pattern, that is meant to be under a folder. Raises ValueError where a relative one leads out of it."""
    if not PurePath(name).is_absolute() and ".." in PurePath(name).parts:
        raise ValueError(f"{name!r} leads out of the study's folder; give an absolute path where that is meant")
    return folder / name


def matching_files(folder: Path, pattern: str) -> list[str]:
    """The files that match, in the order of their names, as the pattern writes them. Raises ValueError where there is none."""
    path = path_in(folder, pattern)
    if PurePath(pattern).is_absolute():
        found = [str(match) for match in Path(path.anchor).glob(str(path.relative_to(path.anchor))) if match.is_file()]
    else:
        found = [match.relative_to(folder).as_posix() for match in folder.glob(pattern) if match.is_file()]
    if not found:
        raise ValueError(f"no file matches {pattern!r} in {folder}")
    return sorted(found)


def table_columns(file: Path, names: Iterable[str]) -> dict[str, list]:
    """Columns of a CSV or Parquet table; a CSV's values are text. Raises ValueError that names what is missing."""
    if file.suffix.lower() == ".parquet":
        table = pq.read_table(file)
        columns = {name: table.column(name).to_pylist() for name in table.column_names}
    elif file.suffix.lower() == ".csv":
        try:
            with file.open(encoding="utf-8-sig", newline="") as text:
                rows = list(csv.reader(text))
        except csv.Error as error:
            raise ValueError(f"{file.name}: {error}") from error
        if not rows:
            raise ValueError(f"{file.name} is empty")
        if uneven := [number for number, row in enumerate(rows, 1) if row and len(row) != len(rows[0])]:
            raise ValueError(f"{file.name}, line {uneven[0]}: {len(rows[uneven[0] - 1])} values for {len(rows[0])} columns")
        columns = {name: [row[place] for row in rows[1:] if row] for place, name in enumerate(rows[0])}
    else:
        raise ValueError(f"{file.name}: a table is a .csv or a .parquet file")
    if missing := [name for name in names if name not in columns]:
        raise ValueError(f"{file.name} has no column {missing[0]!r}; it has {', '.join(map(repr, columns))}")
    if not all(columns.values()):
        raise ValueError(f"{file.name} has no rows")
    return {name: columns[name] for name in names}


def from_text(value: object, current: object) -> object:
    """A table's text as the kind of value that the input has now. Raises ValueError where it is not of that kind."""
    if not isinstance(value, str) or isinstance(current, str):
        return value
    if isinstance(current, bool):
        if value.lower() not in ("true", "false"):
            raise ValueError(f"{value!r} is neither true nor false")
        return value.lower() == "true"
    try:
        return int(value) if isinstance(current, int) else float(value)
    except ValueError:
        raise ValueError(f"{value!r} is not a {'whole ' if isinstance(current, int) else ''}number") from None
