"""Many items of a stub graph (an empty picture, saved) through the whole path: time, and the driver's memory against the number of items.

What an item costs besides ComfyUI is the slope of the seconds of a core over the number of items: starting is not in it. The driver's
share is what does not spread over a cluster.
"""

import argparse
import itertools

from study_runs import run_study, study_folder

GRAPH = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "study"}},
}
STUDY = """
[[vary]]
node = "EmptyImage"
input = "color"
range = {{ from = 1, to = {count}, step = 1 }}
"""
MIB = 1024**2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=int, nargs="+", default=[200, 2000, 20000])
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    seen = []
    for count in options.counts:
        with study_folder(GRAPH, STUDY.format(count=count)) as folder:
            measured = run_study(folder, "out", "--workers", options.workers)
        if not len({row["id"] for row in measured.rows}) == len(measured.rows) == count:
            raise RuntimeError(f"{len(measured.rows)} rows for {count} items")
        seconds, drawn = measured.steady()
        print(
            f"{count} items, {options.workers} workers: {measured.seconds:.0f} s in all, {drawn / seconds:.0f} items/s, "
            f"{sum(row['seconds'] for row in measured.rows) / count * 1000:.1f} ms an item on the server, driver at most {measured.memory / MIB:.0f} MiB, "
            f"{measured.cpu:.0f} s of a core besides ComfyUI, {measured.driver:.0f} of them in the driver",
            flush=True,
        )
        seen.append((count, measured.cpu, measured.driver))
    for (few, *less), (many, *more) in itertools.pairwise(seen):
        whole, driver = ((after - before) / (many - few) * 1000 for before, after in zip(less, more, strict=True))
        print(f"from {few} to {many} items: {whole:.2f} ms of a core an item besides ComfyUI, {driver:.2f} ms in the driver")


if __name__ == "__main__":
    main()
