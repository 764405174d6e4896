"""The `[[vary]]` entries of a study file: each becomes an axis, or a mistake in one of its keys."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .axes import Axis, Column, Target, from_text, matching_files, of_one_kind, path_in, range_values, table_columns
from .graphs import Graph, check_input, find_node
from .identity import digest_of_file

SOURCES = ("values", "range", "files", "table")
KEYS = frozenset({"node", "input", "inputs", "name", "zip", "columns", *SOURCES})


class EntryError(ValueError):
    """A mistake in an entry; `key` says in which of its keys, None where it is in the whole."""

    def __init__(self, key: str | None, text: str):
        super().__init__(text)
        self.key = key


@dataclass(frozen=True)
class Context:
    """What entries speak of: the graph, and the folder that their files are in. `digests` are of the files that were met so far."""

    graph: Graph
    folder: Path
    digests: dict[str, str] = field(default_factory=dict)


def read_entry(context: Context, entry: Mapping, line: int) -> Axis:
    """What an entry varies. Raises EntryError."""
    if unknown := sorted(entry.keys() - KEYS):
        raise EntryError(unknown[0], f"unknown key {unknown[0]!r}; [[vary]] has {', '.join(sorted(KEYS))}")
    given = [source for source in SOURCES if source in entry]
    if len(given) != 1:
        raise EntryError(None, f"[[vary]] needs exactly one of {', '.join(SOURCES)}, got {', '.join(given) or 'none'}")
    (source,) = given
    if source == "table":
        return _table(context, entry, line)
    targets = _targets(context.graph, entry)
    name = entry.get("name", targets[0][1])
    if not isinstance(name, str) or not name:
        raise EntryError("name", "name must be text")
    try:
        values = _values(context, source, entry[source], _current(context.graph, targets[0]))
    except ValueError as error:
        raise EntryError(source, str(error)) from error
    return Axis((Column(name, targets, source == "files"),), tuple((value,) for value in values), line)


def _current(graph: Graph, target: Target) -> object:
    node_id, name = target
    return graph[node_id]["inputs"][name]


def _values(context: Context, source: str, given: object, current: object) -> list:
    if source == "files":
        return _files(context, given)
    if source == "range":
        return of_one_kind(range_values(given), current)
    if not isinstance(given, list) or not given:
        raise ValueError("values must be a list with one value or more")
    return of_one_kind(given, current)


def _targets(graph: Graph, entry: Mapping) -> tuple[Target, ...]:
    if "inputs" not in entry:
        return (_target(graph, [entry.get("node"), entry.get("input")], None),)
    if "node" in entry or "input" in entry:
        raise EntryError("inputs", "give node and input, or inputs, not both")
    if not isinstance(entry["inputs"], list) or not entry["inputs"]:
        raise EntryError("inputs", 'inputs must be a list of ["node", "input"]')
    return tuple(_target(graph, pair, "inputs") for pair in entry["inputs"])


def _target(graph: Graph, pair: object, key: str | None) -> Target:
    """`key` is the one that holds the pair; None where its parts have keys of their own."""
    if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
        raise EntryError(key or "node", f'a node and an input are named, as in node = "..." and input = "...", got {pair!r}')
    try:
        node_id = find_node(graph, pair[0])
    except LookupError as error:
        raise EntryError(key or "node", str(error.args[0])) from error
    try:
        check_input(graph, node_id, pair[1])
    except LookupError as error:
        raise EntryError(key or "input", str(error.args[0])) from error
    return node_id, pair[1]


def _files(context: Context, patterns: object) -> list[str]:
    patterns = [patterns] if isinstance(patterns, str) else patterns
    if not isinstance(patterns, list) or not patterns or not all(isinstance(pattern, str) for pattern in patterns):
        raise ValueError("files must be a pattern or a list of patterns")
    found = list(dict.fromkeys(name for pattern in patterns for name in matching_files(context.folder, pattern)))
    _take_digests(context, found)
    return found


def _take_digests(context: Context, names: list[str]) -> None:
    for name in names:
        if name not in context.digests:
            try:
                context.digests[name] = digest_of_file(path_in(context.folder, name))
            except OSError as error:
                raise ValueError(f"{name!r} cannot be read: {error.strerror}") from error


def _table(context: Context, entry: Mapping, line: int) -> Axis:
    wanted = entry.get("columns")
    if not isinstance(wanted, dict) or not wanted:
        raise EntryError("columns", 'a table needs columns = { column = ["node", "input"] }')
    try:
        found = table_columns(path_in(context.folder, str(entry["table"])), wanted)
    except OSError as error:
        raise EntryError("table", f"{entry['table']!r} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise EntryError("table", str(error)) from error
    columns, values = [], []
    for name, pair in wanted.items():
        is_file = isinstance(pair, list) and len(pair) == 3 and pair[2] == "file"
        target = _target(context.graph, pair[:2] if is_file else pair, "columns")
        current = _current(context.graph, target)
        try:
            kept = of_one_kind([from_text(value, current) for value in found[name]], current)
            if is_file:
                _take_digests(context, kept)
        except ValueError as error:
            raise EntryError("columns", f"column {name}: {error}") from error
        columns.append(Column(name, (target,), is_file))
        values.append(kept)
    return Axis(tuple(columns), tuple(zip(*values, strict=True)), line)
