"""`make figures`, third part: which way of steering keeps what of a layout, on the demo model; a picture of the plane and a table go to out/figures/.

Word swaps drawn by MagicMix, Prompt-to-Prompt and Plug-and-Play, each at several strengths, and by all three, from the same noise.
Structure and colour distance are to the layout's own picture (magicmix_core/similarity.py), content is the judge's similarity to the new word.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import torch
from torch import Tensor

sys.path += [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent.parent.parent)]

from figures import OUT
from judge import Judge
from words import SAMPLING, SWAPS, Editor

from magicmix_core.similarity import colour_distance, structure_distance

matplotlib.use("Agg")
import matplotlib.pyplot as plt

PLAIN = "not steered"
LABELLED_BELOW = 0.88  # the points above crowd around the plain one
Setting = tuple[str, str]
"""A way of steering and its strength, as the figure names them."""


class Doors(Editor):
    """Each method draws a swap `(source, target)` over the source's layout."""

    def draw_from(self, layout, model, positive: list, nu: float = 1.0) -> Tensor:
        inputs = {"model": model, "positive": positive, "negative": self.nothing, "layout": layout, "nu": nu, "k_max": 1.0, "k_min": 0.35}
        return self.decode(self.run("MagicMixKSampler", **inputs, **SAMPLING)[0])

    def features(self, layout, attention: float, features: float):
        inputs = {"model": self.model, "layout": layout, "attention_steps": attention, "feature_steps": features}
        return self.run("PlugAndPlayFeatures", **inputs)[0]

    def settings(self, layout, texts: tuple[str, str]) -> dict[Setting, Callable[[], Tensor]]:
        target = self.encode(texts[1])
        jobs = {(PLAIN, ""): lambda: self.draw_from(layout, self.model, target)}
        for nu in (0.98, 0.95, 0.9, 0.8, 0.6):
            jobs["MagicMix", f"nu {nu:g}"] = lambda nu=nu: self.draw_from(layout, self.model, target, nu)
        for cross in (0.2, 0.4, 0.6, 0.8, 1.0):
            jobs["Prompt-to-Prompt", f"{cross:g}, {cross / 2:g}"] = lambda cross=cross: self.draw_from(
                layout, *self.edited(layout, texts, cross, cross / 2)
            )
        for attention, features in ((0.25, 0.4), (0.5, 0.8), (0.75, 0.9), (1.0, 1.0)):
            jobs["Plug-and-Play", f"{attention:g}, {features:g}"] = lambda steps=(attention, features): self.draw_from(
                layout, self.features(layout, *steps), target
            )
        for nu, cross in ((0.98, 0.2), (0.95, 0.4), (0.9, 0.8)):
            jobs["all three", f"nu {nu:g}; {cross:g}, {cross / 2:g}; 0.5, 0.8"] = lambda nu=nu, cross=cross: self.draw_from(
                layout, *self.edited(layout, texts, cross, cross / 2, model=self.features(layout, 0.5, 0.8)), nu
            )
        return jobs


def measure(doors: Doors, judge: Judge, pairs: list[tuple[str, str]]) -> dict[Setting, np.ndarray]:
    """For each setting `[pairs, 3]`: structure distance, colour distance, content."""
    found: dict[Setting, list] = {}
    for source, target in pairs:
        layout = doors.layout(f"a {source}")
        own = doors.decode(layout.latent)
        for setting, draw in doors.settings(layout, (f"a {source}", f"a {target}")).items():
            pictures = draw()
            content = judge.similarity(pictures, [target] * len(pictures))
            distances = structure_distance(pictures, own), colour_distance(pictures, own)
            found.setdefault(setting, []).append([float(each.mean()) for each in (*distances, content)])
    return {setting: np.array(rows) for setting, rows in found.items()}


def draw_ways(doors: Doors, texts: tuple[str, str], strengths: int = 4) -> None:
    """The sheet of one swap: a row for each way, the layout first, then steered more and more."""
    layout = doors.layout(texts[0])
    jobs = doors.settings(layout, texts)
    first = {"layout": doors.decode(layout.latent), PLAIN: jobs[PLAIN, ""]()}
    rows = [
        first | {f"{way}, {setting[1]}": jobs[setting]() for setting in [each for each in jobs if each[0] == way][-strengths:]}
        for way in ("MagicMix", "Prompt-to-Prompt", "Plug-and-Play")
    ]
    doors.save_sheet([list(row.values()) for row in rows], [label for row in rows for label in row], "doors_sheet")


def draw_plane(found: dict[Setting, np.ndarray]) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True)
    for number, (axis, label) in enumerate(zip(axes, ("structure distance to the layout", "colour distance to the layout"), strict=True)):
        plain = found[PLAIN, ""].mean(0)
        for door in dict.fromkeys(door for door, _ in found):
            points = np.array([rows.mean(0) for setting, rows in found.items() if setting[0] == door])
            line = points if door == PLAIN else np.vstack([plain, points])
            axis.plot(line[:, number], line[:, 2], marker="o", ms=4, label=door, zorder=3 if door == PLAIN else 2)
            for (_, strength), (*distances, content) in zip([setting for setting in found if setting[0] == door], points, strict=True):
                if content < LABELLED_BELOW:
                    axis.annotate(strength, (distances[number], content), fontsize=6, xytext=(3, 3), textcoords="offset points")
        axis.set(xlabel=label)
        axis.grid(alpha=0.3)
    axes[0].set(ylabel="similarity to the new word")
    axes[1].legend(fontsize=8, loc="lower right")
    figure.tight_layout()
    figure.savefig(OUT / "doors_plane.png", dpi=110)


def write(found: dict[Setting, np.ndarray], heading: str) -> None:
    lines = [heading, "", "| way | strength | structure distance | colour distance | content |", "| --- | --- | --- | --- | --- |"]
    for (door, strength), rows in found.items():
        lines.append(f"| {door} | {strength} | " + " | ".join(f"{mean:.3f}" for mean in rows.mean(0)) + " |")
    text = "\n".join(lines) + "\n"
    (OUT / "doors.md").write_text(text)
    sys.stdout.write(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=len(SWAPS), help="fewer for a quick look")
    parser.add_argument("--rows", type=int, default=2, help="noises for each")
    options = parser.parse_args()
    torch.set_num_threads(1)  # the demo model is too small to gain from more
    OUT.mkdir(parents=True, exist_ok=True)
    doors = Doors(options.rows)
    draw_ways(doors, ("a castle", "a birthday cake"))
    found = measure(doors, Judge(), SWAPS[: options.pairs])
    draw_plane(found)
    write(found, f"{options.pairs} swaps x {options.rows} noises")


if __name__ == "__main__":
    main()
