"""Which run a picture comes from, by the graph that drew it: maps are drawn on the pictures of their own run or not at all."""

from collections.abc import Mapping

from comfy_execution.utils import get_executing_context
from torch import Tensor

from ...magicmix_core.map_recording import Origin, RecordedRun, Recording, the_one
from .graph import Link, digest, links_of, output_type, running_graph, works_on_lists

PICTURES = ("IMAGE", "LATENT", "*")
"""The socket types on which a picture travels from the sampler to the node that shows it."""
SAY_WHICH = "connect the sampler's latent to `latent`, which says which run they are of"


def origin_here() -> Origin | None:
    """The node that is executing now; None outside the host's execution of a graph."""
    context = get_executing_context()
    if context is None:
        return None
    inputs = digest(running_graph(context.prompt_id), context.node_id)
    return Origin(context.prompt_id, context.node_id, context.list_index or 0, inputs)


def maps_of_pictures(recording: Recording, graph: Mapping[str, dict], node_id: str | None) -> Tensor:
    """`[B, words, h, w]`: the maps of the run that drew the `images` which the node `node_id` of `graph` has been given.

    Raises ValueError where that is not certain, saying how to make it so.
    """
    recording.check_begun()
    here = get_executing_context()
    if here is None or node_id not in graph:
        return the_one(recording.runs, SAY_WHICH)
    link = links_of(graph, node_id).get("images")
    samplers = {run.origin.node_id for run in recording.runs if run.origin is not None}
    found, passed = _drawn_by(graph, link, samplers) if link else ([], [])
    if not found:
        raise ValueError(
            f"images must be drawn by a sampler with the model of Record Cross-Attn Maps, and by none after it; or {SAY_WHICH}"
        )
    if len(found) > 1:
        raise ValueError(f"images are made of pictures of {len(found)} samplers: {SAY_WHICH}")
    runs = _runs_of(recording.runs, found[0], here.prompt_id, digest(graph, found[0]))
    places = sorted({run.origin.index for run in runs})
    if len(places) > 1 and any(works_on_lists(graph, each) for each in passed):
        raise ValueError(f"images went through a node that rearranges lists, so their order is not known: {SAY_WHICH}")
    place = places[min(here.list_index or 0, len(places) - 1)]  # the host repeats the last of a shorter list
    return the_one([run for run in runs if run.origin.index == place], SAY_WHICH)


def _runs_of(runs: list[RecordedRun], sampler: str, prompt_id: str, inputs: str | None) -> list[RecordedRun]:
    """The runs of a node in this execution, or in the last one with the same inputs, whose result the host has cached."""
    its = [run for run in runs if run.origin is not None and run.origin.node_id == sampler]
    now = [run for run in its if run.origin.prompt_id == prompt_id]
    if now:
        return now
    alike = [run for run in its if inputs is not None and run.origin.inputs == inputs]
    executions: dict[str, list[RecordedRun]] = {}
    for run in alike:
        executions.setdefault(run.origin.prompt_id, []).append(run)
    if not executions:
        raise ValueError(f"images are of a run whose maps are no longer kept: change the sampler's seed and run it again, or {SAY_WHICH}")
    if len({tuple(run.marks for run in runs) for runs in executions.values()}) > 1:
        raise ValueError(f"images may be of several runs with the same settings and other results: {SAY_WHICH}")
    return list(executions.values())[-1]


def _drawn_by(graph: Mapping[str, dict], picture: Link, samplers: set[str]) -> tuple[list[str], list[str]]:
    """Which of `samplers` drew the `picture` that this link carries, and the nodes that it passed since; none that drew it anew."""
    found, passed, waiting, seen = [], [], [picture], set()
    while waiting:
        node_id, _ = link = waiting.pop(0)
        if node_id in seen or output_type(graph, link) not in PICTURES:
            continue
        seen.add(node_id)
        sources = links_of(graph, node_id).values()
        if node_id in samplers:
            found.append(node_id)
        elif not any(output_type(graph, source) in ("MODEL", "GUIDER") for source in sources):
            passed.append(node_id)
            waiting += sources
    return found, passed
