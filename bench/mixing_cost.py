"""MagicMixKSampler against the core's sampler over the same executed steps, at the size of Stable Diffusion 1.5.

The UNet has 860 M random weights; what it draws does not matter to the cost. Runs alternate, ratios are pair by pair.
On a GPU: half precision and 64 x 64 latents; on a CPU: single precision and 32 x 32.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).resolve().parent.parent / "tools"))

from inprocess import SD15, load_pack, node_runner, random_model, start_host

K_MAX, K_MIN = 0.6, 0.3


class PeakMemory:
    """The highest memory in use since `reset`, in MiB: the GPU's where there is one, else this process's."""

    def __init__(self, cuda: bool):
        self.cuda = cuda

    def reset(self) -> None:
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
        else:
            Path("/proc/self/clear_refs").write_text("5")  # Linux: forget the peak so far

    def read(self) -> float:
        if self.cuda:
            return torch.cuda.max_memory_allocated() / 2**20
        (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10, help="of the whole schedule; 0.6 of them run")
    options = parser.parse_args()
    cuda = torch.cuda.is_available()
    start_host(*([] if cuda else ["--cpu"]))
    import comfy.samplers
    import comfy.supported_models

    load_pack()
    run = node_runner()
    model = random_model(comfy.supported_models.SD15, SD15)
    calls = []

    def count(apply_model, args):
        calls.append(1)
        return apply_model(args["input"], args["timestep"], **args["c"])

    model.set_model_unet_function_wrapper(count)
    size = 64 if cuda else 32
    generator = torch.Generator().manual_seed(0)
    latent = {"samples": torch.randn(1, 4, size, size, generator=generator) * 5}
    positive, negative = ([[torch.randn(1, 77, 768, generator=generator), {}]] for _ in range(2))
    conditioning = {"model": model, "positive": positive, "negative": negative, "cfg": 7.5}
    sampling = model.get_model_object("model_sampling")
    sigmas = comfy.samplers.calculate_sigmas(sampling, "ddim_uniform", options.steps)
    executed = sigmas[sigmas <= sampling.percent_to_sigma(1 - K_MAX)]
    (layout,) = run("MagicMixLayoutNoise", latent=latent, seed=1, noise="shared")
    (euler,) = run("KSamplerSelect", sampler_name="euler")

    def plain():
        run("SamplerCustom", **conditioning, add_noise=True, noise_seed=1, sampler=euler, sigmas=executed, latent_image=latent)

    def mixing():
        choice = {"seed": 1, "steps": options.steps, "sampler_name": "euler", "scheduler": "ddim_uniform"}
        run("MagicMixKSampler", **conditioning, **choice, layout=layout, nu=0.5, k_max=K_MAX, k_min=K_MIN)

    memory = PeakMemory(cuda)

    def measure(job) -> tuple[int, float, float]:
        calls.clear()
        memory.reset()
        start = time.perf_counter()
        job()
        return len(calls), time.perf_counter() - start, memory.read()

    for job in (plain, mixing):
        measure(job)
    pairs = []
    for number in range(options.pairs):
        # Who goes first alternates too.
        first, second = (measure(job) for job in ((plain, mixing) if number % 2 else (mixing, plain)))
        pairs.append((first, second) if number % 2 else (second, first))

    device = torch.cuda.get_device_name() if cuda else f"CPU, {torch.get_num_threads()} threads"
    print(f"{device}; {size} x {size} latents, {len(executed) - 1} executed steps, {options.pairs} alternating pairs\n")
    print("| | plain sampler | MagicMixKSampler | ratio, median (min to max) |")
    print("| --- | --- | --- | --- |")
    for row, (name, unit, digits) in enumerate([("UNet calls", "", 0), ("time", " s", 2), ("peak memory", " MiB", 0)]):
        columns = [statistics.median(pair[side][row] for pair in pairs) for side in (0, 1)]
        ratios = [pair[1][row] / pair[0][row] for pair in pairs]
        spread = f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
        print(f"| {name} | {columns[0]:.{digits}f}{unit} | {columns[1]:.{digits}f}{unit} | {spread} |")


if __name__ == "__main__":
    main()
