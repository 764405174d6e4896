"""Study files: read and checked whole, so that every mistake is found before anything runs and is named with its line."""

import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from .axes import Axis, path_in, repeated, zipped
from .graphs import Graph, find_node, read_graph
from .problems import Problem, StudyError
from .space import Sample, Space, drawing_order
from .study import Study, without_effect
from .table import RESERVED
from .toml_lines import lines_of
from .vary import Context, EntryError, read_entry

KEYS = {"graph", "keep", "time_limit", "attempts", "versions", "order", "sample", "vary"}
TIME_LIMIT, ATTEMPTS = 600.0, 3
LARGEST = 2**62


def load_study(file: Path, folder: Path | None = None) -> Study:
    """Reads a study; paths in it are relative to `folder`, by default the file's own. Raises StudyError with all mistakes."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise StudyError(str(file), [Problem(None, f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise StudyError(str(file), [Problem(None, f"not UTF-8, as TOML must be: {error}")]) from error
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StudyError(str(file), [Problem(_line_said(str(error), text), f"not TOML: {error}")]) from error
    reader = _Reader(document, lines_of(text), (folder or file.resolve().parent).resolve())
    study = reader.study(file, text)
    if study is None:
        raise StudyError(str(file), sorted(reader.problems, key=lambda problem: problem.line or 0))
    return study


def _line_said(error: str, text: str) -> int:
    said = re.search(r"at line (\d+)", error)
    return int(said[1]) if said else len(text.splitlines())


class _Reader:
    """Goes through the document once and collects what is wrong."""

    def __init__(self, document: dict, lines: Mapping, folder: Path):
        self.document, self.lines, self.folder = document, lines, folder
        self.problems: list[Problem] = []

    def line(self, *path: str | int) -> int:
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def wrong(self, text: str, *path: str | int) -> None:
        self.problems.append(Problem(self.line(*path), text))

    def study(self, file: Path, text: str) -> Study | None:
        for key in self.document.keys() - KEYS:
            self.wrong(f"unknown key {key!r}; a study has {', '.join(sorted(KEYS))}", key)
        graph = self.graph()
        if graph is None:
            return None
        context = Context(graph, self.folder)
        axes = self.axes(context)
        self.names(axes)
        keep = self.keep(graph)
        if keep:
            self.problems += without_effect(graph, axes, keep)
        sample = self.sample(axes)
        order = self.order(graph, axes)
        time_limit, attempts, versions = self.time_limit(), self.attempts(), self.versions()
        if self.problems:
            return None
        return Study(
            file, self.folder, text, self.lines, graph, keep, Space(tuple(axes), order, sample), context.digests,
            time_limit, attempts, versions,
        )  # fmt: skip

    def graph(self) -> Graph | None:
        name = self.document.get("graph")
        if not isinstance(name, str):
            self.wrong("graph must name a file with a graph in API form", "graph")
            return None
        try:
            return read_graph(path_in(self.folder, name).read_text(encoding="utf-8"))
        except OSError as error:
            self.wrong(f"graph: {name!r} cannot be read: {error.strerror}", "graph")
        except ValueError as error:
            self.wrong(f"graph: {name}: {error}", "graph")
        return None

    def axes(self, context: Context) -> list[Axis]:
        entries = self.document.get("vary", [])
        if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
            self.wrong("nothing is varied: a study has one [[vary]] or more", "vary")
            return []
        joined = []
        for group in self.groups(context, entries):
            try:
                axis = zipped(group)
            except ValueError as error:
                self.problems.append(Problem(group[-1].line, str(error)))
                continue
            if (twice := repeated(axis)) is not None:
                shown = ", ".join(map(repr, twice))
                self.problems.append(Problem(axis.line, f"{shown} stands here twice: it would draw the same picture again"))
            joined.append(axis)
        return joined

    def groups(self, context: Context, entries: list[dict]) -> list[list[Axis]]:
        """The entries' axes, those together that share a word in `zip`."""
        groups: dict[object, list[Axis]] = {}
        for place, entry in enumerate(entries):
            try:
                axis = read_entry(context, entry, self.line("vary", place))
            except EntryError as error:
                self.wrong(str(error), "vary", place, *([error.key] if error.key in entry else []))
                continue
            word = entry.get("zip", place)
            if "zip" in entry and not isinstance(word, str):
                self.wrong("zip must be a word that others share", "vary", place, "zip")
                continue
            groups.setdefault(word, []).append(axis)
        return list(groups.values())

    def names(self, axes: list[Axis]) -> None:
        names, targets = {}, {}
        for axis in axes:
            for column in axis.columns:
                if column.name in RESERVED:
                    self.problems.append(Problem(axis.line, f"the table has a column {column.name!r} of its own; give another name"))
                if column.name in names:
                    self.problems.append(
                        Problem(axis.line, f"{column.name!r} is varied in line {names[column.name]} already; give another name")
                    )
                names[column.name] = axis.line
                for target in column.targets:
                    if target in targets:
                        text = f"{column.name!r} sets the same input as line {targets[target]}"
                        self.problems.append(Problem(axis.line, text))
                    targets[target] = axis.line

    def keep(self, graph: Graph) -> tuple[str, ...] | None:
        names = self.document.get("keep")
        if names is None:
            return None
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            self.wrong("keep must be a list of nodes by title or type", "keep")
            return None
        kept = []
        for name in names:
            try:
                kept.append(find_node(graph, name))
            except LookupError as error:
                self.wrong(f"keep: {error.args[0]}", "keep")
        return tuple(kept)

    def sample(self, axes: list[Axis]) -> Sample | None:
        space = Space(tuple(axes), tuple(range(len(axes))))
        if axes and space.product > LARGEST:
            self.wrong(f"{space.product:.3g} pictures are more than can be counted", "vary")
        spec = self.document.get("sample")
        if spec is None:
            return None
        if not isinstance(spec, dict) or spec.keys() - {"count", "seed"} or not all(type(value) is int for value in spec.values()):
            self.wrong("[sample] has count and seed, whole numbers", "sample")
            return None
        count = spec.get("count", 0)
        if axes and not 1 <= count <= space.product:
            self.wrong(f"count must lie between 1 and the {space.product} pictures that there are, got {count}", "sample", "count")
        return Sample(count, spec.get("seed", 0))

    def order(self, graph: Graph, axes: list[Axis]) -> tuple[int, ...]:
        names = self.document.get("order")
        if names is None:
            return drawing_order(graph, axes)
        places = {column.name: place for place, axis in enumerate(axes) for column in axis.columns}
        if not isinstance(names, list) or not all(name in places for name in names):
            self.wrong(f"order must list varied values, slowest first: {', '.join(places)}", "order")
            return tuple(range(len(axes)))
        first = list(dict.fromkeys(places[name] for name in names))
        return (*first, *(place for place in range(len(axes)) if place not in first))

    def time_limit(self) -> float:
        seconds = self.document.get("time_limit", TIME_LIMIT)
        if type(seconds) not in (int, float) or not 0 < seconds < math.inf:
            self.wrong(f"time_limit must be a number of seconds above 0, got {seconds!r}", "time_limit")
        return seconds

    def attempts(self) -> int:
        attempts = self.document.get("attempts", ATTEMPTS)
        if type(attempts) is not int or attempts < 1:
            self.wrong(f"attempts must be a whole number of 1 or more, got {attempts!r}", "attempts")
        return attempts

    def versions(self) -> dict[str, str]:
        versions = self.document.get("versions", {})
        if not isinstance(versions, dict) or not all(isinstance(value, str) for value in versions.values()):
            self.wrong("versions must be a table of text", "versions")
        return versions
