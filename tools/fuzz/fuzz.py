"""`make fuzz`: queues random graphs on a real server, sane ones and hostile ones, and says what should not have happened.

Each finding is printed, and its graph kept as build/fuzz/SEED-NUMBER.json; the exit status is 1 when there is one.
"""

import argparse
import contextlib
import json
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

sys.path += [str(Path(__file__).resolve().parent.parent)]

from comfy_server import PACK, comfy_server
from graphs import valid_graph
from mutations import mutated_graph
from oracles import complaint, reference_bits
from queueing import BusyQueue, ServerGoneError

HOSTILE_NODES = Path(__file__).resolve().parent / "hostile_nodes"
OUT = PACK / "build" / "fuzz"
WAITING = 6
"""Graphs that are queued at a time, so that the server is never idle."""
PERIOD = 100
"""Graphs between two looks at the reference graphs."""
VALID_SHARE = 0.25


@dataclass
class Hunt:
    """What came of the graphs: how many ended in which way, how often each node was in one, and the findings in words."""

    counts: Counter = field(default_factory=Counter)
    nodes: Counter = field(default_factory=Counter)
    findings: list[tuple[int, str]] = field(default_factory=list)

    def __str__(self) -> str:
        kinds = ("ran", "refused by the server", "refused by our nodes", "failed in the host's nodes")
        return ", ".join(f"{self.counts[kind]} {kind}" for kind in ("graphs", *kinds)) + f", {len(self.findings)} findings"


def random_graph(seed: int, number: int, schemas: dict, pack: set[str]) -> dict:
    """Graph `number` of a seed: the same whatever was made before it."""
    random = Random(f"{seed}-{number}")  # noqa: S311 (nothing is kept secret by it)
    graph = valid_graph(random, {name: schema for name, schema in schemas.items() if not name.startswith("Hostile")})
    return graph if random.random() < VALID_SHARE else mutated_graph(random, graph, schemas, pack)


def hunt(url: str, count: int, seed: int, first: int = 0, patience: float = 60, on_finding=None) -> Hunt:
    """Queues `count` graphs of a seed, from number `first` on, on the server at `url`, which must have the hostile nodes."""
    found, waiting = Hunt(), deque()

    def report(number: int, words: str, graph: dict | None = None) -> None:
        found.findings.append((number, words))
        if on_finding is not None:
            on_finding(number, words, graph)

    with BusyQueue(url, patience) as queue:
        schemas = queue.schemas()
        folder = next(schema["python_module"] for name, schema in schemas.items() if name == "MagicMixKSampler")
        pack = {name: _inputs(schema) for name, schema in schemas.items() if schema["python_module"] == folder}
        bits = reference_bits(queue)

        def finish() -> None:
            number, graph, prompt_id = waiting.popleft()
            ending = queue.ending(prompt_id)
            found.counts[_kind(ending, pack)] += 1
            words = complaint(ending, pack, PACK)
            if words is not None:
                report(number, words, graph)

        number = first
        try:
            for number in range(first, first + count):
                graph = random_graph(seed, number, schemas, set(pack))
                found.counts["graphs"] += 1
                found.nodes.update({node["class_type"] for node in graph.values()} & set(pack))
                if (prompt_id := queue.queue(graph)) is None:
                    found.counts["refused by the server"] += 1
                else:
                    waiting.append((number, graph, prompt_id))
                while len(waiting) >= WAITING:
                    finish()
                if (number - first + 1) % PERIOD == 0 or number + 1 == first + count:
                    while waiting:
                        finish()
                    now = reference_bits(queue)
                    changed = [f"{name} gave {bits[name][:12]}, now {now[name][:200]}" for name in bits if now[name] != bits[name]]
                    if changed:
                        report(number, f"reference graphs changed: {'; '.join(changed)}")
        except ServerGoneError as error:
            number, graph, _ = waiting[0] if waiting else (number, None, None)
            report(number, f"the server went away: {error}", graph)
    return found


def _inputs(schema: dict) -> list[str]:
    return [name for group in ("required", "optional") for name in schema["input"].get(group, {})]


def _kind(ending, pack: dict) -> str:
    if ending.kind == "failed":
        return "refused by our nodes" if ending.error["node_type"] in pack else "failed in the host's nodes"
    return ending.kind


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number of the first graph, to repeat one that was a finding")
    options = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)

    def show(number: int, words: str, graph: dict | None) -> None:
        file = OUT / f"{options.seed}-{number}.json"
        file.write_text(json.dumps(graph, indent=1))
        print(f"graph {number}: {words}\n    {file.relative_to(PACK)}", flush=True)

    with contextlib.ExitStack() as stack:
        url = stack.enter_context(comfy_server(extra_nodes=[HOSTILE_NODES]))
        start = time.monotonic()
        found = hunt(url, options.count, options.seed, options.first, on_finding=show)
        minutes = (time.monotonic() - start) / 60
    print(f"seed {options.seed}: {found}; {options.count / minutes:.0f} graphs a minute")
    return 1 if found.findings else 0


if __name__ == "__main__":
    sys.exit(main())
