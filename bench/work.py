"""What each way of steering makes the host's network do beside a plain run: calls, rows, operations, copies, in one table of counts.

On the demo model, 20 steps at its own size; `--size sd15` for a UNet of Stable Diffusion 1.5's size with random weights (860 M), one
step at 64 x 64. `--dtype bfloat16` shows conversions that float32 hides: the model's numbers are then of another kind than the nodes'.
`--kernel pytorch` is the host's option --use-pytorch-cross-attention: its kernel then makes no attention maps. The last column is the
processor's time of one run, for orientation.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).resolve().parent.parent / "tools"))

from counting import Counts, count
from inprocess import SD15, load_pack, node_runner, random_model, start_host

SOURCE, TARGET = "a cat on grass", "a dog on grass"


class Runs:
    """The runs that are compared, by name: each a function that draws one picture."""

    def __init__(
        self, size: str, dtype: str, kernel: str, side: int | None = None, steps: int | None = None, options: list[str] | None = None
    ):
        arguments = [*(options or []), *(["--use-pytorch-cross-attention"] if kernel == "pytorch" else [])]
        start_host(*([] if torch.cuda.is_available() and size == "sd15" else ["--cpu"]), *arguments)
        import comfy.supported_models

        load_pack()
        self.run = node_runner()
        if size == "sd15":
            from words_cost import RandomClip

            self.model, self.clip = random_model(comfy.supported_models.SD15, SD15), RandomClip()
        else:
            self.model, self.clip, _ = self.run("MagicMixDemoCheckpoint")
        side, self.steps = side or (64 if size == "sd15" else 16), steps or (1 if size == "sd15" else 20)
        if dtype == "bfloat16":
            self.model.model.diffusion_model.to(torch.bfloat16)
            self.model.model.diffusion_model.dtype = torch.bfloat16
        self.rows: list[int] = []
        self.model.model.diffusion_model.time_embed.register_forward_pre_hook(lambda module, inputs: self.rows.append(len(inputs[0])))
        self.latent = {"samples": torch.zeros(1, 4, side, side)}
        self.sampling = {"seed": 1, "steps": self.steps, "cfg": 3.0, "sampler_name": "euler", "scheduler": "ddim_uniform"}
        self.negative = self.encode("")

    def encode(self, text: str) -> list:
        return self.run("CLIPTextEncode", clip=self.clip, text=text)[0]

    def layout(self, keep: str):
        inputs = {"model": self.model, "positive": self.encode(SOURCE), "negative": self.negative, "latent": self.latent}
        return self.run("MagicMixLayoutFromPrompt", **inputs, **self.sampling, keep=keep)[0]

    def draw(self, model, positive, latent: dict | None = None) -> Callable[[], object]:
        inputs = {"model": model, "positive": positive, "negative": self.negative, "latent_image": latent or self.latent, "denoise": 1.0}
        return lambda: self.run("KSampler", **inputs, **self.sampling)

    def mix(self, model, positive, layout, **more) -> Callable[[], object]:
        inputs = {"model": model, "positive": positive, "negative": self.negative, "layout": layout, "nu": 0.9, "k_max": 1.0, "k_min": 0.0}
        return lambda: self.run("MagicMixKSampler", **inputs | more, **self.sampling)

    def nus_one_by_one(self, count: int) -> Callable[[], object]:
        jobs = [self.mix(self.model, self.encode(TARGET), self.layout("off"), nu=n / count) for n in range(count)]
        return lambda: [job() for job in jobs]

    def nus_in_a_batch(self, count: int) -> Callable[[], object]:
        masks = torch.arange(count).reshape(count, 1, 1).expand(count, 8, 8) / count
        return self.mix(self.model, self.encode(TARGET), self.layout("off"), nu_map=masks)

    def three_rows(self) -> Callable[[], object]:
        """A plain run whose positive conditioning is two combined prompts: three rows in each call."""
        both = self.run("ConditioningCombine", conditioning_1=self.encode(SOURCE), conditioning_2=self.encode(TARGET))[0]
        return self.draw(self.model, both)

    def jobs(self) -> dict[str, Callable[[], object]]:
        positive, common = self.encode(TARGET), {"model": self.model, "clip": self.clip}
        layout, kept = self.layout("off"), self.layout("both")
        weighted = self.run("CrossAttnReweight", **common, text=TARGET, words="dog:2", scale=1.0)
        watched, _ = self.run("CrossAttnRecord", **common, text=TARGET, words="", resolution="16")

        def swap(layout, **more) -> tuple:
            inputs = {"source_text": SOURCE, "target_text": TARGET, "edit": "swap", "cross_steps": 1.0, "self_steps": 1.0}
            return self.run("PromptToPrompt", **common, layout=layout, **inputs | more)

        def follow(layout) -> tuple:
            steps = {"attention_steps": 1.0, "feature_steps": 1.0}
            return self.run("PlugAndPlayFeatures", model=self.model, layout=layout, **steps)[0], positive

        return {
            "plain, 2 rows": self.draw(self.model, positive),
            "plain, 3 rows": self.three_rows(),
            "MagicMixKSampler": self.mix(self.model, positive, layout),
            "CrossAttnReweight": self.draw(*weighted),
            "CrossAttnRecord": self.draw(watched, positive),
            "PromptToPrompt, swap, default steps": self.draw(*swap(layout, cross_steps=0.8, self_steps=0.4)),
            "PromptToPrompt, swap, all steps": self.draw(*swap(layout)),
            "PromptToPrompt, local_blend": self.mix(*swap(layout, local_blend="cat, dog"), layout),
            "PromptToPrompt, layout with keep": self.draw(*swap(kept)),
            "PlugAndPlayFeatures": self.draw(*follow(layout)),
            "PlugAndPlayFeatures, layout with keep": self.draw(*follow(kept)),
        }

    def counts(self, job: Callable[[], object]) -> tuple[list[int], Counts]:
        """The rows of each call of the network, and the counts."""
        job()  # what is made once, in the first run
        self.rows.clear()
        job()
        rows = list(self.rows)
        return rows, count(job)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=("demo", "sd15"), default="demo")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--kernel", choices=("default", "pytorch"), default="default")
    parser.add_argument("--only", nargs="*", default=[], help="rows whose names have one of these words")
    options = parser.parse_args()
    runs = Runs(options.size, options.dtype, options.kernel)
    print(
        f"{options.size}, {runs.steps} steps, {options.dtype}, {options.kernel} kernel; copies, conversions and reads by call of the network\n"
    )
    heads = ["", "calls", "rows", "GFLOP", "operations", "MB copied", "conversions", "reads", "largest tensor", "processor"]
    print(f"| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")
    for name, job in runs.jobs().items():
        if options.only and not any(word in name for word in options.only):
            continue
        rows, counts = runs.counts(job)
        calls = len(rows)
        cells = [
            name,
            calls,
            sum(rows),
            f"{counts.flops / 1e9:.1f}",
            f"{counts.operations / calls:.0f}",
            f"{counts.copied / calls / 1e6:.2f}",
            f"{counts.conversions / calls:.1f}",
            f"{counts.reads / calls:.1f}",
            f"{counts.largest / 1e6:.1f} MB",
            f"{counts.seconds:.2f} s",
        ]
        print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
