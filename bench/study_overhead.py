"""What a study costs per picture against a bare loop over the HTTP API: the same server, the same graphs, alternating.

All times are the server's own, from its history. A server is idle between the end of one graph and the start of the next: that, as a
share of the whole, is what whoever queues the graphs costs, however busy the machine is. The loop is api_examples/sweep.py's, which
queues all graphs and then fetches and saves each picture.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from pathlib import Path

import httpx
from study_runs import COMFYUI, FIRST, PACK, run_study, study_folder

sys.path.insert(0, str(PACK / "api_examples"))
from comfy_client import ComfyClient, inputs_of
from magicmix_study.comfy_process import ComfyProcess, Launch

STUDY = """
[[vary]]
node = "LoadImage"
input = "image"
files = "{picture}"
[[vary]]
node = "MagicMixKSampler"
input = "steps"
values = [{steps}]
[[vary]]
node = "MagicMixLayoutNoise"
input = "seed"
range = {{ from = {first}, to = {last}, step = 1 }}
"""


def server_times(url: str, count: int) -> tuple[float, float]:
    """Seconds a graph, of the server's last `count`, from the start of the first to the end of the last; and the idle share."""
    history = httpx.get(f"{url}/history", params={"max_items": count}).json().values()
    times = [{kind: data["timestamp"] for kind, data in entry["status"]["messages"]} for entry in history]
    spans = sorted((time["execution_start"], time["execution_success"]) for time in times)
    whole, busy = spans[-1][1] - spans[0][0], sum(end - start for start, end in spans)
    return whole / 1000 / len(spans), 1 - busy / whole


def bare_loop(url: str, graph: dict, picture: Path, seeds: range) -> None:
    with tempfile.TemporaryDirectory() as folder, ComfyClient(url) as client:
        inputs_of(graph, "LoadImage")["image"] = client.upload(picture)
        queued = []
        for seed in seeds:
            inputs_of(graph, "MagicMixLayoutNoise")["seed"] = seed
            queued.append((seed, client.queue(graph)))
        for seed, prompt_id in queued:
            (content,) = client.pictures(client.follow(prompt_id))
            (Path(folder) / f"{seed}.png").write_bytes(content)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    picture = PACK / "demo_model" / "layouts" / "donut.png"
    graph = json.loads((PACK / "workflows" / "api" / "image_text.json").read_text())
    inputs_of(graph, "MagicMixKSampler")["steps"] = options.steps
    server = ComfyProcess(
        Launch(str(COMFYUI), sys.executable, (str(PACK),), cpu=True, threads=1), Path(tempfile.gettempdir()) / "study-overhead.log"
    )
    asyncio.run(closed(server))
    seen = []
    try:
        for pair in range(options.pairs):
            first = pair * 1000
            bare_loop(server.url, graph, picture, range(first + 500, first + 500 + options.count))
            bare, bare_idle = server_times(server.url, options.count)
            text = STUDY.format(picture=picture, steps=options.steps, first=first, last=first + options.count + FIRST - 1)
            with study_folder(graph, text) as folder:
                run_study(folder, "out", "--server", server.url)
            study, study_idle = server_times(server.url, options.count)
            seen.append((study / bare, bare_idle, study_idle))
            print(
                f"pair {pair + 1}: loop {bare * 1000:.1f} ms a picture, idle {bare_idle:.2%}; study {study * 1000:.1f} ms, idle {study_idle:.2%}",
                flush=True,
            )
    finally:
        server.guard.stdin.close()
    for name, values in zip(("ratio of times", "idle in the loop", "idle in the study"), zip(*seen, strict=True), strict=True):
        print(f"{name}: median {statistics.median(values):.4f} ({min(values):.4f} to {max(values):.4f}) over {len(values)} pairs")


async def closed(server: ComfyProcess) -> None:
    await (await server.ready()).close()


if __name__ == "__main__":
    main()
