"""Many items of a stub graph (an empty picture, saved) through the whole path: time, and the driver's memory against the number of items.

What an item costs is taken from the second half of the items: starting is not in it. ComfyUI's share is what its server does for a graph
that draws nothing; the driver's is what does not spread over a cluster.
"""

import argparse

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
    for count in options.counts:
        with study_folder(GRAPH, STUDY.format(count=count)) as folder:
            measured = run_study(folder, "out", "--workers", options.workers)
            table = sum(file.stat().st_size for file in (folder / "out" / "results").iterdir())
        if not len({row["id"] for row in measured.rows}) == len(measured.rows) == count:
            raise RuntimeError(f"{len(measured.rows)} rows for {count} items")
        start, end, drawn = measured.steady()
        middle = sorted(row["started"] for row in measured.rows)[count // 2].timestamp()
        study, driver, servers, machine = (measured.used(name, middle, end) for name in ("study", "driver", "servers", "machine"))
        each = 1000 / (count - count // 2)
        pictures = sum(file["bytes"] for row in measured.rows for file in row["files"])
        print(
            f"{count} items, {options.workers} workers: {measured.seconds:.0f} s in all, {drawn / (end - start):.1f} items/s, "
            f"driver at most {measured.memory / MIB:.0f} MiB, {table / count:.0f} bytes of table and {pictures / count:.0f} of pictures an item\n"
            f"of the second half an item took, in ms of a core: {study * each:.2f} besides ComfyUI, {driver * each:.2f} of them in the driver, "
            f"and {servers * each:.2f} in ComfyUI; other work took {(machine - study - servers) / (end - middle):.2f} cores meanwhile",
            flush=True,
        )


if __name__ == "__main__":
    main()
