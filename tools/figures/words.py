"""`make figures`, second part: what re-weighting and Prompt-to-Prompt do on the demo model, of either network; curves, sheets and a table go to
out/figures/.

Similarity comes from a judge that never saw the sampler (judge.py), structure distance compares with the layout's own picture
(magicmix_core/similarity.py). Intervals are 95 % bootstrap intervals of paired differences over objects or pairs.
"""

import argparse
import sys
from pathlib import Path

import matplotlib
import numpy as np
import torch
from torch import Tensor

sys.path += [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent.parent.parent)]

from figures import OUT, paired, rho, write_table
from inprocess import load_pack, node_runner, start_host
from judge import Judge
from PIL import Image

from demo_model import SIDES
from magicmix_core.similarity import structure_distance

matplotlib.use("Agg")
import matplotlib.pyplot as plt

OBJECTS = [
    *("lion", "tiger", "panda", "penguin", "owl", "frog", "turtle", "crab", "butterfly", "sunflower", "mushroom", "watermelon"),
    *("pineapple", "strawberry", "carrot", "pizza", "donut", "volcano", "castle", "rocket", "umbrella", "pumpkin", "crown", "skull"),
]
SWAPS = [
    *(("dog", "cat"), ("cat", "fox"), ("lion", "tiger"), ("bear", "panda"), ("pig", "rabbit"), ("koala", "monkey")),
    *(("apple", "lemon"), ("strawberry", "carrot"), ("donut", "pizza"), ("banana", "pineapple"), ("watermelon", "avocado")),
    *(("rose", "tulip"), ("sunflower", "rose"), ("castle", "house"), ("house", "tent"), ("car", "bus"), ("bus", "tractor")),
    *(("sun", "star"), ("heart", "balloon"), ("crown", "castle"), ("basketball", "pumpkin"), ("owl", "penguin")),
    *(("cactus", "christmas tree"), ("mushroom", "umbrella")),
]
SCALES = [2.0, 1.5, 1.0, 0.5, 0.0, -0.5, -1.0, -1.5, -2.0]
SHARES = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
SAMPLING = {"seed": 1, "steps": 20, "cfg": 4.0, "sampler_name": "euler", "scheduler": "ddim_uniform"}
WINDOW = {"k_max": 0.85, "k_min": 0.35}


class Editor:
    """The demo checkpoint with the pack's nodes; pictures are `[rows, 3, side, side]` in 0..1. `mark` ends the names of what it saves."""

    def __init__(self, rows: int, network: str, mark: str):
        start_host("--cpu")
        load_pack()
        self.run, self.mark = node_runner(), mark
        self.model, self.clip, self.vae = self.run("MagicMixDemoCheckpoint", network=network)
        side = SIDES[network] // 8
        self.empty = {"samples": torch.zeros(rows, 4, side, side)}
        self.nothing = self.encode("")

    def encode(self, text: str) -> list:
        return self.run("CLIPTextEncode", clip=self.clip, text=text)[0]

    def layout(self, text: str):
        inputs = {"model": self.model, "positive": self.encode(text), "negative": self.nothing, "latent": self.empty}
        return self.run("MagicMixLayoutFromPrompt", **inputs, **SAMPLING)[0]

    def draw(self, positive: list, model=None) -> Tensor:
        inputs = {"model": model or self.model, "positive": positive, "negative": self.nothing, "latent_image": self.empty, "denoise": 1.0}
        return self.decode(self.run("KSampler", **inputs, **SAMPLING)[0])

    def mix(self, model, positive: list, layout, nu: float) -> Tensor:
        inputs = {"model": model, "positive": positive, "negative": self.nothing, "layout": layout, "nu": nu}
        return self.decode(self.run("MagicMixKSampler", **inputs, **SAMPLING, **WINDOW)[0])

    def reweighted(self, text: str, words: str, scale: float) -> tuple:
        return self.run("CrossAttnReweight", model=self.model, clip=self.clip, text=text, words=words, scale=scale)

    def edited(self, layout, texts: tuple[str, str], cross: float, itself: float, model=None) -> tuple:
        inputs = {"layout": layout, "source_text": texts[0], "target_text": texts[1], "edit": "auto"}
        return self.run("PromptToPrompt", model=model or self.model, clip=self.clip, cross_steps=cross, self_steps=itself, **inputs)

    def decode(self, latent: dict) -> Tensor:
        return self.run("VAEDecode", vae=self.vae, samples=latent)[0].movedim(-1, 1).clamp(0, 1)

    def save_sheet(self, rows: list[list[Tensor]], labels: list[str], name: str) -> None:
        """The first picture of each cell, row by row, under labels for all cells or for those of each row."""
        cells = torch.stack([cell[0].movedim(0, -1) for row in rows for cell in row])
        (sheet,) = self.run("ContactSheet", images=[cells], labels=labels * (len(cells) // len(labels)), columns=[len(rows[0])])
        Image.fromarray((sheet[0].numpy() * 255).round().astype(np.uint8)).save(OUT / f"{name}{self.mark}.png")


def removal(editor: Editor, judge: Judge, objects: list[str], nu: float) -> list[tuple[str, str]]:
    """MagicMix of an object's layout with a prompt that names it, its word scaled by s (Figures 7 and 11)."""
    similarity, distance = (np.empty((len(SCALES), len(objects))) for _ in range(2))
    rows = []
    for place, name in enumerate(objects):
        text = f"a {name}"
        layout = editor.layout(text)
        own = editor.decode(layout.latent)
        rows.append([own])
        for step, scale in enumerate(SCALES):
            pictures = editor.mix(*editor.reweighted(text, name, scale), layout, nu)
            rows[-1].append(pictures)
            similarity[step, place] = judge.similarity(pictures, [name] * len(pictures)).mean()
            distance[step, place] = structure_distance(pictures, own).mean()
    editor.save_sheet(rows[::2], ["layout", *(f"s {scale:g}" for scale in SCALES)], "removal_sheet")
    figure, axis = plt.subplots(figsize=(5, 3.6))
    for label, values in (("similarity to the concept", similarity), ("structure distance to the layout", distance)):
        axis.errorbar(SCALES, values.mean(1), 1.96 * values.std(1) / len(objects) ** 0.5, marker="o", ms=3, capsize=2, label=label)
    axis.set(xlabel="s", ylim=(-0.1, 1))
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(OUT / f"removal{editor.mark}.png", dpi=110)
    plain, gone = SCALES.index(1.0), SCALES.index(-1.0)
    return [
        ("removal: similarity falls with s", f"rho {rho(SCALES, similarity.mean(1)):+.2f}"),
        ("removal: similarity at s = 2, 1, 0, -1, -2", ", ".join(f"{similarity[SCALES.index(s)].mean():.3f}" for s in (2, 1, 0, -1, -2))),
        ("removal: similarity, s = -1 against s = 1", paired(similarity[gone], similarity[plain])),
        ("removal: structure distance at s = 1, -1, -2", ", ".join(f"{distance[SCALES.index(s)].mean():.3f}" for s in (1, -1, -2))),
    ]


def swap(editor: Editor, judge: Judge, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Word swap against plain re-prompting with the same noise, over cross_steps = 2 x self_steps; 0 is plain re-prompting."""
    content, distance = (np.empty((len(SHARES), len(pairs))) for _ in range(2))
    rows = []
    for place, (source, target) in enumerate(pairs):
        texts = (f"a {source}", f"a {target}")
        layout = editor.layout(texts[0])
        own = editor.decode(layout.latent)
        rows.append([own])
        for step, share in enumerate(SHARES):
            model, positive = editor.edited(layout, texts, share, share / 2)
            pictures = editor.draw(positive, model)
            rows[-1].append(pictures)
            content[step, place] = judge.similarity(pictures, [target] * len(pictures)).mean()
            distance[step, place] = structure_distance(pictures, own).mean()
    editor.save_sheet(rows[::2], ["source", *(f"cross {share:g}, self {share / 2:g}" for share in SHARES)], "swap_sheet")
    lines = [("swap: structure distance to the source, plain re-prompting", f"{distance[0].mean():.3f}, content {content[0].mean():.3f}")]
    for step, share in list(enumerate(SHARES))[1:]:
        closer, poorer = paired(distance[step], distance[0]), paired(content[step], content[0])
        lines.append((f"swap: cross {share:g}, self {share / 2:g}, against plain", f"structure distance {closer}; content {poorer}"))
    return lines


def steps_sheet(editor: Editor) -> None:
    """One word swap over self_steps (across) and cross_steps (down)."""
    texts = ("a dog", "a cat")
    layout = editor.layout(texts[0])
    rows = [[editor.draw(*editor.edited(layout, texts, cross, itself)[::-1]) for itself in SHARES] for cross in SHARES]
    editor.save_sheet(rows, [f"self {share:g}" for share in SHARES], "steps_sheet")


def take_other_forms() -> None:
    """Has the loaded pack edit joint attention by the forms that are not its own, to compare them."""
    for name, module in list(sys.modules.items()):
        for switch in ("JOINT_DEVIATIONS", "JOINT_TEXT_KEYS"):
            if name.endswith((".magicmix_core.reweighting", ".magicmix_core.prompt_to_prompt")) and hasattr(module, switch):
                setattr(module, switch, not getattr(module, switch))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=len(OBJECTS), help="fewer for a quick look")
    parser.add_argument("--rows", type=int, default=2, help="noises for each")
    parser.add_argument("--nu", type=float, default=0.9, help="of the removal")
    parser.add_argument("--network", choices=("unet", "transformer"), default="unet", help="of the demo checkpoint")
    parser.add_argument("--other-forms", action="store_true", help="the forms for joint attention that are not the default")
    options = parser.parse_args()
    torch.set_num_threads(1)  # the demo model is too small to gain from more
    OUT.mkdir(parents=True, exist_ok=True)
    mark = ("" if options.network == "unet" else f"_{options.network}") + ("_other_forms" if options.other_forms else "")
    editor, judge = Editor(options.rows, options.network, mark), Judge()
    if options.other_forms:
        take_other_forms()
    table = removal(editor, judge, OBJECTS[: options.objects], options.nu) + swap(editor, judge, SWAPS[: options.objects])
    steps_sheet(editor)
    write_table(f"words{mark}", f"{options.objects} objects x {options.rows} noises", table)


if __name__ == "__main__":
    main()
