"""What loading the pack adds to the host's start, measured in fresh processes against a pack with one empty node."""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PACK = Path(__file__).resolve().parent.parent
RUNS = 7
EMPTY = """
from comfy_api.latest import ComfyExtension

class Empty(ComfyExtension):
    async def get_node_list(self):
        return []

async def comfy_entrypoint():
    return Empty()
"""
LOAD = """
import asyncio, sys, time
sys.path.append(sys.argv[1])
from inprocess import start_host
pack = sys.argv[2]
start_host("--cpu")
import nodes
asyncio.run(nodes.init_builtin_extra_nodes())
start = time.perf_counter()
assert asyncio.run(nodes.load_custom_node(pack))
print(time.perf_counter() - start)
"""


def load_seconds(pack: Path) -> float:
    command = [sys.executable, "-c", LOAD, str(PACK / "tools"), str(pack)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(result.stdout.split()[-1])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "__init__.py").write_text(EMPTY)
        runs = [(load_seconds(Path(folder)), load_seconds(PACK)) for _ in range(RUNS)]
    added = [1000 * (pack - empty) for empty, pack in runs]
    print(f"{RUNS} alternating pairs of fresh processes\n")
    print("| | empty pack | this pack | added, median (min to max) |")
    print("| --- | --- | --- | --- |")
    empty, pack = (statistics.median(column) * 1000 for column in zip(*runs, strict=True))
    print(f"| time to load | {empty:.1f} ms | {pack:.1f} ms | {statistics.median(added):.1f} ms ({min(added):.1f} to {max(added):.1f}) |")


if __name__ == "__main__":
    main()
