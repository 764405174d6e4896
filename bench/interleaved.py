"""Compares two jobs on one UNet of Stable Diffusion 1.5's size: they alternate, and ratios are taken pair by pair.

The UNet has 860 M random weights; what it draws does not matter to the cost. On a GPU: half precision and 64 x 64 latents;
on a CPU: single precision and 32 x 32.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).resolve().parent.parent / "tools"))

from inprocess import SD15, load_pack, node_runner, random_model, start_host

Job = Callable[[], object]


class Bench:
    """The model, its inputs, `run` for nodes, and `compare`, which prints a table."""

    def __init__(self, description: str, pairs: int, steps: int):
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument("--pairs", type=int, default=pairs)
        parser.add_argument("--steps", type=int, default=steps, help="of the whole schedule")
        options = parser.parse_args()
        self.pairs, self.steps = options.pairs, options.steps
        self.cuda = torch.cuda.is_available()
        start_host(*([] if self.cuda else ["--cpu"]))
        import comfy.samplers
        import comfy.supported_models

        load_pack()
        self.run = node_runner()
        self.model = random_model(comfy.supported_models.SD15, SD15)
        self.calls: list[int] = []
        self.without_unet = False

        def count(apply_model, args):  # a function, since clones of a model copy whatever a method is bound to
            self.calls.append(1)
            return torch.zeros_like(args["input"]) if self.without_unet else apply_model(args["input"], args["timestep"], **args["c"])

        self.model.set_model_unet_function_wrapper(count)
        self.side = 64 if self.cuda else 32
        generator = torch.Generator().manual_seed(0)
        self.latent = {"samples": torch.randn(1, 4, self.side, self.side, generator=generator) * 5}
        positive, negative = ([[torch.randn(1, 77, 768, generator=generator), {}]] for _ in range(2))
        self.conditioning = {"model": self.model, "positive": positive, "negative": negative, "cfg": 7.5}
        self.sampling = {"seed": 1, "steps": self.steps, "sampler_name": "euler", "scheduler": "ddim_uniform"}
        self.model_sampling = self.model.get_model_object("model_sampling")
        self.sigmas = comfy.samplers.calculate_sigmas(self.model_sampling, "ddim_uniform", self.steps)

    def compare(self, names: tuple[str, str], first: Job, second: Job) -> None:
        """Prints UNet calls, times and peak memory of both jobs, and the ratio second / first.

        On a busy machine the processor's time says more than the clock's.
        """
        measure = Measure(self.cuda)
        pairs = measure.pairs(first, second, self.pairs, self.calls)
        print(f"{measure.device}; {self.side} x {self.side} latents, {self.pairs} alternating pairs\n")
        print(f"| | {names[0]} | {names[1]} | ratio, median (min to max) |")
        print("| --- | --- | --- | --- |")
        digits_of_time = 4 if self.without_unet else 2
        for row, (name, unit, digits) in enumerate(
            [("UNet calls", "", 0), ("time", " s", digits_of_time), ("processor time", " s", digits_of_time), ("peak memory", " MiB", 0)]
        ):
            columns = [statistics.median(pair[side][row] for pair in pairs) for side in (0, 1)]
            ratios = [pair[1][row] / pair[0][row] for pair in pairs]
            spread = f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
            print(f"| {name} | {columns[0]:.{digits}f}{unit} | {columns[1]:.{digits}f}{unit} | {spread} |")
        print(flush=True)


@dataclass(frozen=True)
class Ratios:
    """Of the second job to the first, pair by pair."""

    time: list[float]
    memory: list[float]


class Measure:
    """Times jobs and their peak memory, on a GPU or a CPU, in alternating pairs."""

    def __init__(self, cuda: bool):
        self.cuda = cuda
        self.device = torch.cuda.get_device_name() if cuda else f"CPU, {torch.get_num_threads()} threads"

    def ratios(self, first: Job, second: Job, count: int) -> Ratios:
        pairs = self.pairs(first, second, count, [])
        return Ratios(*([after[row] / before[row] for before, after in pairs] for row in (1, 3)))

    def pairs(self, first: Job, second: Job, count: int, calls: list) -> list[tuple[tuple, tuple]]:
        """(calls, seconds, seconds that the processor's cores were busy for us, peak memory in MiB) of both jobs; who goes first alternates."""
        for job in (first, second):
            self._one(job, calls)
        pairs = []
        for number in range(count):
            if number % 2:
                pairs.append((self._one(first, calls), self._one(second, calls)))
            else:
                pairs.append((self._one(second, calls), self._one(first, calls))[::-1])
        return pairs

    def _one(self, job: Job, calls: list) -> tuple[int, float, float, float]:
        calls.clear()
        self._forget_peak()
        start, busy = time.perf_counter(), time.process_time()
        job()
        if self.cuda:
            torch.cuda.synchronize()
        return len(calls), time.perf_counter() - start, time.process_time() - busy, self._peak()

    def _forget_peak(self) -> None:
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
        else:
            Path("/proc/self/clear_refs").write_text("5")  # Linux: this process's peak starts anew

    def _peak(self) -> float:
        if self.cuda:
            return torch.cuda.max_memory_allocated() / 2**20
        (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
