"""What saved graphs rely on in the pack's nodes. `make snapshot` records it in tests/nodes/schemas.json.

A saved graph names nodes, and inputs by name (API form) or widget values by order (the page's form); it links outputs by number.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

SNAPSHOT = Path(__file__).resolve().parent.parent / "tests" / "nodes" / "schemas.json"
RECORDED_OPTIONS = ("default", "min", "max", "options", "control_after_generate")
HOSTS_OWN = "the host's own"
ON_NEWER_HOSTS = ("nu_curve_drawn",)
"""Inputs of types that the host of the tests does not have: on a host with them no test shall miss them in the records."""

Schemas = dict[str, dict[str, list[dict]]]


def describe(info: dict, host_lists: list[list[str]]) -> dict[str, list[dict]]:
    """What a graph relies on of one node, from what the host tells of it. Choices that are the host's are not the pack's to keep."""
    inputs = []
    for group in ("required", "optional"):
        for name, (kind, options) in info["input"].get(group, {}).items():
            if name in ON_NEWER_HOSTS:
                continue
            entry = {"id": name, "type": kind} | ({"optional": True} if group == "optional" else {})
            entry |= {key: options[key] for key in RECORDED_OPTIONS if key in options}
            if entry.get("options") in host_lists:
                entry["options"] = HOSTS_OWN
            inputs.append(entry)
    columns = zip(info["output_name"], info["output"], info["output_is_list"], strict=True)
    outputs = [{"id": name, "type": kind} | ({"list": True} if is_list else {}) for name, kind, is_list in columns]
    return {"inputs": inputs, "outputs": outputs}


def breaking_changes(recorded: Schemas, current: Schemas) -> list[str]:
    """A line for each change after which a graph saved before no longer runs, or gives something else.

    New nodes, new outputs at the end, new optional inputs at the end, wider ranges and more choices break nothing.
    """
    found = []
    for node_id, before in recorded.items():
        if node_id not in current:
            found.append(f"{node_id} is gone")
            continue
        after = current[node_id]
        lines = [*_order(before, after, "inputs"), *_order(before, after, "outputs")]
        for side in ("inputs", "outputs"):
            now = {entry["id"]: entry for entry in after[side]}
            for entry in before[side]:
                if entry["id"] in now:
                    lines += [f"{side[:-1]} {entry['id']} {line}" for line in _changes(entry, now[entry["id"]])]
        known = {entry["id"] for entry in before["inputs"]}
        lines += [
            f"input {entry['id']} is new and must be optional"
            for entry in after["inputs"]
            if entry["id"] not in known and "optional" not in entry
        ]
        found += [f"{node_id}: {line}" for line in lines]
    return found


def _order(before: dict, after: dict, side: str) -> Iterator[str]:
    was, now = ([entry["id"] for entry in schema[side]] for schema in (before, after))
    if gone := [name for name in was if name not in now]:
        yield f"{side} gone or renamed: {', '.join(gone)}"
    elif now[: len(was)] != was:
        yield f"{side} must stay in their order and new ones come last: were {', '.join(was)}; are {', '.join(now)}"


def _changes(was: dict, now: dict) -> Iterator[str]:
    """What became of one input or output."""
    if was["type"] != now["type"]:
        yield f"was {was['type']}, is {now['type']}"
        return
    if was.get("list") != now.get("list"):
        yield "changed between one value and a list"
    if "optional" in was and "optional" not in now:
        yield "was optional, is required"
    if "optional" in was and was.get("default") != now.get("default"):
        yield f"is left out by some graphs; its default was {was.get('default')!r}, is {now.get('default')!r}"
    if was.get("control_after_generate") != now.get("control_after_generate"):
        yield "gained or lost the widget behind it (control_after_generate)"
    if "min" in now and now["min"] > was.get("min", float("-inf")):
        yield f"allowed {was.get('min')}, allows {now['min']} at least"
    if "max" in now and now["max"] < was.get("max", float("inf")):
        yield f"allowed {was.get('max')}, allows {now['max']} at most"
    yield from _lost_choices(was.get("options", []), now.get("options", []))


def _lost_choices(was: list[str] | str, now: list[str] | str) -> Iterator[str]:
    if HOSTS_OWN in (was, now):
        if was != now:
            yield f"had choices {was}, has {now}"
    elif lost := [choice for choice in was if choice not in now]:
        yield f"lost the choices {', '.join(lost)}"


def current_schemas() -> Schemas:
    """The pack's nodes, as the host in this process knows them."""
    import comfy.samplers
    from inprocess import pack_nodes

    host_lists = [comfy.samplers.SAMPLER_NAMES, comfy.samplers.SCHEDULER_NAMES]
    return {node_id: describe(node.GET_NODE_INFO_V1(), host_lists) for node_id, node in pack_nodes().items()}


def recorded_schemas() -> Schemas:
    return json.loads(SNAPSHOT.read_text())


def write(schemas: Schemas) -> None:
    """A line for each input and output, so that a change reads as one."""

    def listed(entries: list[dict]) -> str:
        return "[" + ",".join(f"\n      {json.dumps(entry)}" for entry in entries) + ("\n    ]" if entries else "]")

    nodes = (
        f'  {json.dumps(node_id)}: {{\n    "inputs": {listed(schema["inputs"])},\n    "outputs": {listed(schema["outputs"])}\n  }}'
        for node_id, schema in schemas.items()
    )
    SNAPSHOT.write_text("{\n" + ",\n".join(nodes) + "\n}\n")


def main() -> None:
    from inprocess import load_pack, start_host

    start_host("--cpu")
    load_pack()
    schemas = current_schemas()
    if broken := breaking_changes(recorded_schemas(), schemas):
        sys.exit(
            "not recorded, for saved graphs would break:\n  "
            + "\n  ".join(broken)
            + f"\nWhere that is meant (a node that was never released), remove its entry from {SNAPSHOT.name} first."
        )
    write(schemas)


if __name__ == "__main__":
    main()
