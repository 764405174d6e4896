"""One study on 1, 2 and 4 workers of one machine, each a ComfyUI with a thread of its own: what limits are the machine's cores.

Demo model on a CPU. The first ten pictures, which load the model, are left out. The seconds of a core that a picture takes do not depend
on what else the machine does; pictures a minute do, so how much other work ran is said too.
"""

import argparse
import json

import psutil
from study_runs import FIRST, PACK, per_picture, run_study, study_folder

STUDY = """
[[vary]]
name = "layout"
node = "Layout image"
input = "image"
files = {layouts}
[[vary]]
node = "MagicMix Interpolating KSampler"
input = "steps"
values = [{steps}]
[[vary]]
name = "noise"
node = "MagicMix Layout Noise"
input = "seed"
range = {{ from = 1, to = {seeds}, step = 1 }}
"""
LAYOUTS = [str(PACK / "demo_model" / "layouts" / f"{name}.png") for name in ("castle", "donut")]
COLUMNS = (
    "workers", "seconds in all", "seconds of a core in all", "pictures/min", "seconds a picture on its worker",
    "seconds of a core a picture in ComfyUI", "cores busy", "of them with other work",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--count", type=int, default=24, help="pictures that are measured (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    graph = json.loads((PACK / "workflows" / "api" / "image_text.json").read_text())
    seeds = -(-(options.count + FIRST) // len(LAYOUTS))
    text = STUDY.format(layouts=json.dumps(LAYOUTS), steps=options.steps, seeds=seeds)
    print(f"{psutil.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB, {options.steps} steps")
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}", flush=True)
    for workers in options.workers:
        with study_folder(graph, text) as folder:
            measured = run_study(folder, "out", "--workers", workers)
        start, end, drawn = measured.steady()
        seconds, rows = end - start, sorted(measured.rows, key=lambda row: row["started"])[FIRST:]
        servers, study, machine = (measured.used(name, start, end) for name in ("servers", "study", "machine"))
        all_used = measured.samples[-1].study + measured.samples[-1].servers
        figures = [
            f"{workers}", f"{measured.seconds:.0f}", f"{all_used:.0f}", f"{drawn / seconds * 60:.1f}", f"{per_picture(rows, 'seconds'):.2f}",
            f"{servers / drawn:.2f}", f"{machine / seconds:.2f}", f"{(machine - servers - study) / seconds:.2f}",
        ]  # fmt: skip
        print(f"| {' | '.join(figures)} |", flush=True)


if __name__ == "__main__":
    main()
