"""Holds every claim about cost to its bound, at Stable Diffusion 1.5's size: 50 steps at 64 x 64 in half precision on a GPU.

Jobs alternate with what they are compared to, and the median of the ratios counts. On a CPU, at 32 x 32 and one step, it shows that the
script runs; times there are the machine's. On a GPU it also counts how often a step waits for the GPU because of the pack: never.
`--dtype bfloat16`, `--compile` (the host's Torch Compile) and `--lowvram` (weights stay in main memory) run the same.
"""

import argparse
import statistics
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from interleaved import Measure
from work import Runs

Job = Callable[[], object]


@dataclass(frozen=True)
class Claim:
    """That `job` takes at most so many times the time and the memory of `other`; no bound where it is None."""

    name: str
    job: Job
    other: Job
    most_time: float | None = None
    most_memory: float | None = None


def claims_of(runs: Runs) -> list[Claim]:
    jobs = runs.jobs()
    two, three = jobs["plain, 2 rows"], jobs["plain, 3 rows"]
    claims = [
        Claim(f"{name} / plain", jobs[name], two, 1.02, 1.02) for name in ("MagicMixKSampler", "CrossAttnReweight", "CrossAttnRecord")
    ]
    claims += [
        Claim(f"{name} / plain, 3 rows", jobs[name], three, 1.02, 1.02)
        for name in ("PromptToPrompt, swap, all steps", "PlugAndPlayFeatures")
    ]
    claims += [
        Claim(f"{name} / plain", jobs[name], two, 1.02)
        for name in ("PromptToPrompt, layout with keep", "PlugAndPlayFeatures, layout with keep")
    ]
    return [*claims, Claim("nine nus in a batch / nine runs", runs.nus_in_a_batch(9), runs.nus_one_by_one(9), 0.75)]


def waits(job: Job) -> list[str]:
    """Where the pack makes the GPU's driver wait while a job runs."""
    found = []

    def note(message, *_):
        frames = [frame for frame in traceback.extract_stack() if "/magicmix_core/" in frame.filename or "/nodes/host/" in frame.filename]
        if "synchroniz" in str(message) and frames:
            found.append(f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = note
        torch.cuda.set_sync_debug_mode("warn")
        try:
            job()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--dtype", choices=("default", "bfloat16"), default="default")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--lowvram", action="store_true")
    options = parser.parse_args()
    gpu = torch.cuda.is_available()
    runs = Runs("sd15", options.dtype, "default", side=64 if gpu else 32, steps=50 if gpu else 1, options=["--lowvram"] * options.lowvram)
    if options.compile:
        (runs.model,) = runs.run("TorchCompileModel", model=runs.model, backend="inductor")
    measure, missed = Measure(gpu), 0
    print(f"{measure.device}; {options.pairs} pairs\n\n| claim | time | at most | peak memory | at most |\n|{' --- |' * 5}", flush=True)
    for claim in claims_of(runs):
        ratios = measure.ratios(claim.other, claim.job, options.pairs)
        cells = [claim.name]
        for values, most in ((ratios.time, claim.most_time), (ratios.memory, claim.most_memory)):
            median = statistics.median(values)
            missed += most is not None and median > most
            cells += [f"{median:.3f} ({min(values):.3f} to {max(values):.3f})", "" if most is None else f"{most:.2f}"]
        print(f"| {' | '.join(cells)} |", flush=True)
    if gpu:
        found = {name: places for name, job in runs.jobs().items() if (places := waits(job))}
        missed += len(found)
        print(f"\nwaits for the GPU inside the pack: {found or 'none'}")
    return int(bool(missed) and gpu)


if __name__ == "__main__":
    raise SystemExit(main())
