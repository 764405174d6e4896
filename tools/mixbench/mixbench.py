"""`make mixbench`: who mixes and edits best, on scenes whose truth is known; a table, a page and pictures go to out/mixbench/.

The same edits by every method, with the same weights and noise; see README.md. It goes on where it was cut off.
"""

import argparse
import csv
import gc
import os
import sys
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

sys.path += [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent.parent.parent)]

from cases import EXACT, TASKS, allowed_to_change, boxes, compose, load_composer, make_cases
from comfy_server import PACK
from judging import ClipJudge, OwnJudge, measure
from methods import Bench
from PIL import Image
from report import write
from workers import launch

from demo_model import SIDES

SHEETS = 4
"""How many scenes of each task are shown."""


def save_sheet(bench: Bench, file: Path, pictures: list, labels: list[str]) -> None:
    cells = torch.stack([picture.movedim(0, -1) for picture in pictures])
    (sheet,) = bench.run("ContactSheet", images=[cells], labels=labels, columns=[8])
    Image.fromarray((sheet[0].numpy() * 255).round().astype(np.uint8)).save(file)


def run_case(bench: Bench, judge, composer, case, sheet: Path | None) -> list[dict]:
    """A row of measures for each setting."""
    before, after = compose(composer, case)
    composed, wanted = (torch.from_numpy(scene.pixels / 255).float().movedim(-1, 0) for scene in (before, after))
    layout, source = bench.source(case, composed)
    change, places = allowed_to_change(composer, case), boxes(composer, case)
    rows, pictures, labels = [], [source, wanted], [case.texts[0], f"wanted: {case.texts[1]}"]
    for (method, strength), draw in bench.settings(case, layout, source).items():
        bench.calls.count = 0
        picture = bench.decode(draw())
        row = {"case": case.number, "task": case.task, "method": method, "strength": strength, "calls": bench.calls.count}
        rows.append(row | measure(judge, case, picture, source, change, places))
        pictures.append(picture)
        labels.append(f"{method} {strength}".strip())
    if sheet:
        save_sheet(bench, sheet, pictures, labels)
    return rows


def read_rows(files: Iterable[Path]) -> list[dict]:
    rows = []
    for file in files:
        with file.open(newline="") as stored:
            rows += [row | {"case": int(row["case"])} for row in csv.DictReader(stored)]
    return sorted(rows, key=lambda row: row["case"])


def append(file: Path, rows: list[dict]) -> None:
    new = not file.exists()
    with file.open("a", newline="") as stored:
        writer = csv.DictWriter(stored, list(rows[0]))
        if new:
            writer.writeheader()
        writer.writerows(rows)


def fingerprint(options: argparse.Namespace, side: int, cfg: float) -> str:
    """Of what a run's rows depend on, the weights above all: rows of another model must not be gone on with."""
    files = [options.checkpoint or PACK / "demo_model" / "magicmix-demo.safetensors", options.clip, options.clip_vision]
    found = zlib.crc32(f"{side} {cfg}".encode())
    for file in filter(None, files):
        with Path(file).open("rb") as stored:
            while part := stored.read(2**24):
                found = zlib.crc32(part, found)
    return f"{found:08x}"


def draw(options: argparse.Namespace, side: int, cfg: float, results: str) -> None:
    """Makes the edits that no file of `results` has, or this process' share of them."""
    share, shares = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    composer = load_composer(side)
    done = {row["case"] for row in read_rows(options.out.glob(f"{results}_*.csv"))}
    bench = Bench(options.checkpoint, side, options.steps, cfg, not options.gpu)
    judge = ClipJudge(options.clip_vision, options.clip, composer.drawings.names) if options.clip_vision else OwnJudge()
    for case in make_cases(composer, options.scenes):
        turn = case.number // len(TASKS)
        if case.task not in options.tasks or case.number in done or turn % shares != share:
            continue
        sheet = options.out / f"{case.task}_sheet_{turn}.png" if turn < SHEETS else None
        append(options.out / f"{results}_{share}.csv", run_case(bench, judge, composer, case, sheet))
        gc.collect()  # as the host does after a run: cycles hold paths, of whose size Python does not know
        print(f"{case.number + 1} of {options.scenes}: {case.task}, {case.texts[0]} -> {case.texts[1]}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=200, help="fewer for a quick look")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument(
        "--checkpoint", default=os.environ.get("CHECKPOINT"), help="a file of Stable Diffusion; the demo model where left out"
    )
    parser.add_argument("--clip", default=os.environ.get("CLIP"), help="a whole CLIP's text encoder, which then judges together with")
    parser.add_argument("--clip-vision", default=os.environ.get("CLIP_VISION"), help="the same CLIP's vision model")
    parser.add_argument("--side", type=int, help="of the pictures in pixels: the demo model's own, else 512")
    parser.add_argument("--cfg", type=float, help="3 for the demo model, else 7.5")
    parser.add_argument("--gpu", action="store_true", help="leave the host its choice of device")
    parser.add_argument(
        "--workers", type=int, help="processes that share the scenes; one for each core with the demo model on a CPU, else one"
    )
    parser.add_argument("--out", type=Path, default=PACK / "out" / "mixbench")
    options = parser.parse_args()
    ours = not options.checkpoint
    if not ours and not (options.clip and options.clip_vision):
        parser.error("--checkpoint wants --clip and --clip-vision: the judge of the demo model's drawings knows nothing else")
    side, cfg = options.side or (SIDES["unet"] if ours else 512), options.cfg or (3.0 if ours else 7.5)
    if not options.gpu:
        torch.set_num_threads(1 if ours else os.cpu_count() or 1)  # the demo model is too small to gain from more
    options.out.mkdir(parents=True, exist_ok=True)
    results = f"results_{options.steps}_{fingerprint(options, side, cfg)}"
    if not launch(options.workers or (os.cpu_count() if ours and not options.gpu else 1)):
        draw(options, side, cfg, results)
    if "RANK" in os.environ:
        return
    rows = read_rows(options.out.glob(f"{results}_*.csv"))
    name = Path(options.checkpoint).name if options.checkpoint else "the demo model"
    shown = [row for row in rows if row["task"] in options.tasks]
    heading = (
        f"{name}, {options.steps} steps, {side} pixels; {len({row['case'] for row in shown})} scenes ({', '.join(EXACT)}: composed sources)"
    )
    print(write(options.out, shown, heading))


if __name__ == "__main__":
    main()
