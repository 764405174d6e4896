"""A study against what a server says of its nodes: types that it has, values that it takes."""

from collections.abc import Mapping

from .axes import Axis, Column
from .graphs import title_of
from .problems import Problem
from .study import Study, without_effect


def used_schemas(study: Study, object_info: Mapping) -> dict:
    """The part of `/object_info` that the study's graph needs."""
    return {node["class_type"]: object_info[node["class_type"]] for node in study.graph.values() if node["class_type"] in object_info}


def check_against(study: Study, schemas: Mapping) -> list[Problem]:
    """What the server would refuse, and what would change nothing that is kept."""
    graph_line = study.lines.get(("graph",), 1)
    missing = sorted({node["class_type"] for node in study.graph.values()} - schemas.keys())
    problems = [Problem(graph_line, f"the server has no node {class_type!r}") for class_type in missing]
    for axis in study.space.axes:
        for place, column in enumerate(axis.columns):
            problems += _wrong_values(study, schemas, axis, place, column)
    if not missing and study.keep is None:
        outputs = tuple(node_id for node_id, node in study.graph.items() if schemas[node["class_type"]].get("output_node"))
        problems += without_effect(study.graph, study.space.axes, outputs)
    return problems


def _wrong_values(study: Study, schemas: Mapping, axis: Axis, place: int, column: Column) -> list[Problem]:
    problems = []
    for node_id, name in column.targets:
        spec = _spec(schemas.get(study.graph[node_id]["class_type"], {}), name)
        if spec is None or column.is_file:
            continue
        for row in axis.rows:
            if said := _refusal(row[place], *spec):
                problems.append(Problem(axis.line, f"{title_of(study.graph, node_id)}: {name} {said}"))
                break
    return problems


def _spec(schema: Mapping, name: str) -> tuple[object, dict] | None:
    for kind in ("required", "optional"):
        if name in schema.get("input", {}).get(kind, {}):
            entry = schema["input"][kind][name]
            return entry[0], entry[1] if len(entry) > 1 else {}
    return None


def _refusal(value: object, kind: object, options: Mapping) -> str | None:
    choices = kind if isinstance(kind, list) else options.get("options") if kind == "COMBO" else None
    if choices is not None:
        shown = ", ".join(map(str, choices[:20])) + (", ..." if len(choices) > 20 else "")
        return None if value in choices else f"must be one of {shown}, got {value!r}"
    if kind in ("INT", "FLOAT"):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"must be a number, got {value!r}"
        if kind == "INT" and value != int(value):
            return f"must be a whole number, got {value!r}"
        low, high = options.get("min"), options.get("max")
        if (low is not None and value < low) or (high is not None and value > high):
            return f"must lie between {low} and {high}, got {value!r}"
    elif kind == "BOOLEAN" and not isinstance(value, bool):
        return f"must be true or false, got {value!r}"
    elif kind == "STRING" and not isinstance(value, str):
        return f"must be text, got {value!r}"
    return None
