"""How long a study takes, from the first pictures: what each node takes, times how often it will run."""

from collections.abc import Iterable, Mapping
from statistics import median

from .graphs import Graph, reach
from .space import Space

Timing = tuple[str, float, float]
"""A node's id, when it began and how many seconds it took."""


def runs_of_nodes(graph: Graph, space: Space) -> dict[str, int]:
    """How often each node runs when one server draws all pictures in the study's order, with the host's usual cache."""
    touched = {node_id: set() for node_id in graph}
    for place, axis in enumerate(space.axes):
        for node_id in reach(graph, [node_id for column in axis.columns for node_id, _ in column.targets]):
            touched[node_id].add(place)
    return {node_id: space.changes(frozenset(axes)) for node_id, axes in touched.items()}


def seconds_of_nodes(timings: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The usual seconds of each node: the median of its runs, where there are several, without the first, which warms up."""
    runs: dict[str, list[float]] = {}
    for timing in timings:
        for node_id, seconds in timing.items():
            runs.setdefault(node_id, []).append(seconds)
    return {node_id: median(seconds[1:] if len(seconds) > 1 else seconds) for node_id, seconds in runs.items()}


def estimated_seconds(graph: Graph, space: Space, timings: list[Mapping[str, float]], remaining: int, workers: int, portions: int) -> float:
    """Seconds for the `remaining` pictures on all workers. A portion or a worker may have to run again what its neighbour has run."""
    runs, usual = runs_of_nodes(graph, space), seconds_of_nodes(timings)
    share = remaining / len(space)
    again = min(portions, workers)
    total = sum(seconds * max(runs.get(node_id, 0) * share, min(again, remaining)) for node_id, seconds in usual.items())
    return total / workers
