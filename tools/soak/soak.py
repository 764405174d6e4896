"""`make soak`: hundreds of mixed runs on one server, with each of the host's caches; says whether memory grows and what stays alive.

Every ten runs the memory is measured that the process has from the system (resident) and that it has not given back to the allocator
(in use). From run 50 on a line is fitted to each (least squares); its slope is printed with a 95 % confidence interval. Objects of the
pack's own classes must be gone once no cached output can hold them: recordings, layouts, map stores, edits. The exit status is 1 when
some are left, or when memory surely grows by more than what is known of the host itself (`CACHES`).

The server's allocator is told to give freed weights back to the system at once, and Python to take its objects from the same allocator,
which gives back all it can before each measurement. By itself glibc keeps what was freed, and so resident memory rises in steps of
several MiB that mean nothing.
"""

import argparse
import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from scipy import stats

sys.path += [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent.parent / "fuzz")]

from comfy_server import comfy_server
from graphs import valid_graph
from oracles import reference_graphs
from queueing import BusyQueue

COUNTING_NODES = Path(__file__).resolve().parent / "counting_nodes"
PERIOD, WARM_UP = 10, 50
SIDE = 64
"""All pictures are of one size: torch's convolutions keep something for each new one, whoever asks for it."""
KIB, MIB = 1024, 1024**2
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(64 * KIB), "PYTHONMALLOC": "malloc"}


@dataclass(frozen=True)
class Cache:
    """One of the host's caches: the options that choose it, and the most KiB a run that memory may grow by with it."""

    options: tuple[str, ...] = ()
    resident: float = 20
    in_use: float = 2

    def exceeded(self, seen: "Soak") -> bool:
        """Whether memory surely grew by more."""
        most = {"resident": self.resident, "in use": self.in_use}
        return any(seen.slope(kind)[1] > most[kind] * KIB for kind in KINDS)


KINDS = ("resident", "in use")
CACHES = {
    "the host's usual cache": Cache(),
    # Each run loads tokenizer and weights anew, with core nodes alone too: nothing more is in use, but the heap is in more pieces.
    "no cache": Cache(("--cache-none",), resident=64),
    # The host's LRU cache never forgets the key of a node that it was once asked for.
    "a cache of the last 3": Cache(("--cache-lru", "3"), in_use=4),
}


@dataclass
class Soak:
    """What was seen: bytes by kind and run, how runs ended, the errors of runs, and the objects that were left at the end, by class."""

    memory: dict[str, dict[int, int]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    endings: Counter = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    left: Counter = field(default_factory=Counter)

    def slope(self, kind: str) -> tuple[float, float, float]:
        """Bytes a run after the warm-up, and the ends of its 95 % confidence interval."""
        points = [(run, size) for run, size in self.memory[kind].items() if run >= WARM_UP]
        line = stats.linregress(*zip(*points, strict=True))
        half = stats.t.ppf(0.975, len(points) - 2) * line.stderr
        return line.slope, line.slope - half, line.slope + half

    def growth(self, kind: str) -> str:
        """In words."""
        first, last = self.memory[kind][WARM_UP], self.memory[kind][max(self.memory[kind])]
        slope, low, high = self.slope(kind)
        return (
            f"{kind} {first / MIB:.1f} MiB after {WARM_UP} runs, {last / MIB:.1f} MiB at the end, "
            f"{slope / KIB:+.2f} KiB a run (95 % interval {low / KIB:+.2f} to {high / KIB:+.2f})"
        )


def soak(url: str, count: int, seed: int, patience: float = 300) -> Soak:
    """`count` runs on the server at `url`, which must have the counting node: sane graphs of every kind, none from the cache."""
    seen = Soak()
    with BusyQueue(url, patience) as queue:
        schemas = {name: schema for name, schema in queue.schemas().items() if name != "CountAlive"}
        references = list(reference_graphs().values())
        first = look(queue, 0)["alive"]
        for run in range(1, count + 1):
            random = Random(f"{seed}-{run}")  # noqa: S311 (nothing is kept secret by it)
            graph = references[run // PERIOD % len(references)] if run % PERIOD == 0 else valid_graph(random, schemas, SIDE)
            ending = queue.ending(queue.queue(graph))
            seen.endings[ending.kind] += 1
            if ending.kind != "ran":
                seen.errors.append(f"run {run}: {ending.error.get('node_type')}: {ending.error.get('exception_message', '')[:200]}")
            if run % PERIOD == 0:
                now = look(queue, run)
                for kind, sizes in seen.memory.items():
                    sizes[run] = now[kind]
        for number in range(count + 1, count + 5):  # as many other nodes as any of the caches keeps
            last = look(queue, number)["alive"]
        seen.left = Counter(last) - Counter(first)
    return seen


def look(queue: BusyQueue, number: int) -> dict:
    """What the counting node sees, in a graph of its own that nothing else is cached for."""
    graph = {
        "demo": {"class_type": "MagicMixDemoCheckpoint", "inputs": {}},
        "count": {"class_type": "CountAlive", "inputs": {"model": ["demo", 0], "number": number}},
    }
    ending = queue.ending(queue.queue(graph))
    if ending.kind != "ran":
        raise RuntimeError(f"the counting node {ending.kind}: {ending.error}")
    return json.loads(ending.outputs["count"]["text"][0])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.count < WARM_UP + 3 * PERIOD:
        parser.error(f"--count must be {WARM_UP + 3 * PERIOD} or more, for a line after the first {WARM_UP} runs")
    failed = False
    for name, cache in CACHES.items():
        with comfy_server(*cache.options, extra_nodes=[COUNTING_NODES], environment=ALLOCATOR) as url:
            seen = soak(url, options.count, options.seed)
        ended = ", ".join(f"{number} {kind}" for kind, number in seen.endings.items())
        print(
            f"{name}: {options.count} runs ({ended}); {seen.growth('resident')}; {seen.growth('in use')}; "
            f"left alive: {dict(seen.left) or 'nothing'}",
            *seen.errors,
            sep="\n    ",
            flush=True,
        )
        failed |= bool(seen.left) or cache.exceeded(seen) or seen.endings["stuck"] > 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
