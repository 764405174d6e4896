"""The table of results: one row a picture, in Parquet files that any tool reads."""

from collections.abc import Iterable

import pyarrow as pa

from .axes import Axis, Value

FILES = pa.list_(pa.struct({"node": pa.string(), "path": pa.string(), "bytes": pa.int64(), "sha256": pa.string()}))
BEFORE = {"id": pa.string(), "number": pa.int64()}
AFTER = {
    "seed": pa.uint64(),  # where all seeds of the graph are one, and none is varied by that name
    "started": pa.timestamp("ms", tz="UTC"),
    "seconds": pa.float64(),  # from the server's start of the graph to its end
    "worker": pa.string(),
    "attempts": pa.int32(),
    "sampling_steps": pa.int32(),  # of all samplers, as they report their progress
    "unet_calls": pa.int32(),  # where the server counts them
    "checkpoint_loads": pa.int32(),  # where the server counts them
    "error": pa.string(),
    "files": FILES,
}
SIGNED = 2**63 - 1
RESERVED = frozenset(BEFORE | AFTER) - {"seed"}


def item_schema(axes: Iterable[Axis]) -> pa.Schema:
    """Of the items before they are drawn."""
    varied = {column.name: _kind([row[place] for row in axis.rows]) for axis in axes for place, column in enumerate(axis.columns)}
    return pa.schema(BEFORE | varied)


def _kind(values: list[Value]) -> pa.DataType:
    if type(values[0]) is int:
        return pa.uint64() if max(values) > SIGNED else pa.int64()
    return {str: pa.string(), float: pa.float64(), bool: pa.bool_()}[type(values[0])]


def row_schema(items: pa.Schema) -> pa.Schema:
    """Of the rows, from that of the items."""
    return pa.schema([*items, *(pa.field(name, kind) for name, kind in AFTER.items() if name not in items.names)])


def as_table(rows: list[dict], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema)
