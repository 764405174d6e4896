"""A study: a graph, what is varied in it, and how its pictures are kept."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .axes import Axis, Column, Target, Value
from .graphs import Graph, reach, title_of, with_values
from .identity import digest, item_id
from .problems import Problem
from .space import Space


@dataclass(frozen=True)
class Study:
    """Everything that a study file says. `digests` are those of the files that it varies, by the name it gives them."""

    file: Path
    folder: Path
    text: str
    lines: Mapping
    graph: Graph
    keep: tuple[str, ...] | None
    space: Space
    digests: Mapping[str, str]
    time_limit: float
    attempts: int
    versions: Mapping[str, str]

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        return self.space.columns

    def settings(self, values: Mapping[str, Value], file_name: Callable[[str], str]) -> dict[Target, Value]:
        """What a picture's values set in the graph; `file_name` says what stands for a file there."""
        return {
            target: file_name(values[column.name]) if column.is_file else values[column.name]
            for column in self.columns
            for target in column.targets
        }

    def item(self, position: int, versions: Mapping[str, str]) -> dict:
        """A picture's row before it is drawn: id, number, values."""
        values = self.space.values(position)
        graph = with_values(self.graph, self.settings(values, self.digests.__getitem__))
        return {"id": item_id(graph, self.keep, versions), "number": self.space.number(position), **values}

    def items(self, versions: Mapping[str, str]) -> Iterator[dict]:
        """All of them, in the order of drawing."""
        return (self.item(position, versions) for position in range(len(self.space)))

    def fingerprint(self, versions: Mapping[str, str]) -> str:
        """Of all that its items depend on: another one, where the study file, or a file that it names, was changed so that they change."""
        axes = [[[[column.name, column.targets, column.is_file] for column in axis.columns], axis.rows] for axis in self.space.axes]
        sample = self.space.sample and [self.space.sample.count, self.space.sample.seed]
        content = [self.graph, self.keep, axes, sample, sorted(self.digests.items()), sorted(versions.items())]
        return digest(json.dumps(content).encode())


def without_effect(graph: Graph, axes: list[Axis], keep: tuple[str, ...]) -> list[Problem]:
    """The varied values that change nothing in what is kept."""
    problems = []
    for axis in axes:
        for column in axis.columns:
            if not reach(graph, [node_id for node_id, _ in column.targets]) & set(keep):
                kept = ", ".join(title_of(graph, node_id) for node_id in keep)
                problems.append(Problem(axis.line, f"{column.name!r} changes nothing in what is kept ({kept})"))
    return problems
