"""`make figures`: the MagicMix paper's claims, measured on the demo model; curves, sheets and a table go to out/figures/.

Content and layout similarity come from a judge that never saw the sampler (judge.py); structure and colour distance compare
with the layout picture (magicmix_core/similarity.py). Intervals are 95 % bootstrap intervals of paired differences.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import torch
from scipy import stats
from torch import Tensor

sys.path += [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent.parent.parent)]

from comfy_server import PACK
from judge import Judge
from sampling import Row, Sampler

from magicmix_core.similarity import colour_distance, structure_distance

matplotlib.use("Agg")
import matplotlib.pyplot as plt

OUT = PACK / "out" / "figures"
PAIRS = {
    "car": ["turtle", "bus"],
    "castle": ["birthday cake", "rocket"],
    "cup of coffee": ["donut", "penguin"],
    "donut": ["frog", "sunflower"],
    "house": ["robot", "castle"],
    "mushroom": ["umbrella", "strawberry"],
    "pumpkin": ["cat", "apple"],
    "rocket": ["penguin", "carrot"],
    "soccer ball": ["panda", "owl"],
    "strawberry": ["apple", "pineapple"],
    "sunflower": ["lion", "rose"],
    "watermelon": ["lion", "lemon"],
}
SHARES = [round(0.1 * n, 1) for n in range(11)]
KS = [round(0.1 * n, 1) for n in range(1, 10)]


@dataclass
class Curve:
    """Measures over a swept value: arrays `[values, rows]`, and the pictures themselves `[values, rows, 3, H, W]`."""

    values: list[float]
    pictures: Tensor
    content: np.ndarray
    layout: np.ndarray
    structure: np.ndarray
    colour: np.ndarray

    @property
    def balance(self) -> np.ndarray:
        """The smaller of the two similarities."""
        return np.minimum(self.content, self.layout)


def sweep(values: list[float], draw: Callable[[float], Tensor], judge: Judge, rows: list[Row], layouts: Tensor) -> Curve:
    drawn, measured = [], []
    for value in values:
        drawn.append(pictures := draw(value))
        judged = [judge.similarity(pictures, [getattr(row, side) for row in rows]) for side in ("content", "layout")]
        measured.append([*judged, structure_distance(pictures, layouts), colour_distance(pictures, layouts)])
    return Curve(values, torch.stack(drawn), *(torch.stack([step[n] for step in measured]).double().numpy() for n in range(4)))


def rho(values: list[float], means: np.ndarray) -> float:
    return float(stats.spearmanr(values, means).statistic)


def paired(first: np.ndarray, second: np.ndarray) -> str:
    """The mean difference first - second with its interval, over rows."""
    difference = (first - second)[np.isfinite(first - second)]
    interval = stats.bootstrap((difference,), np.mean, rng=np.random.default_rng(0)).confidence_interval
    return f"{difference.mean():+.3f} [{interval.low:+.3f}, {interval.high:+.3f}], n = {len(difference)}"


def at_equal_structure(mix: Curve, plain: Curve, pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """Content similarity `[pairs]` of the mixes, and of img2img at the same structure distances, interpolated over K row by row.

    Mixes whose distance img2img does not reach are left out; pairs without any come back as NaN.
    """
    ours, theirs = (np.full_like(mix.content, np.nan) for _ in range(2))
    for row in range(mix.content.shape[1]):
        order = np.argsort(plain.structure[:, row])
        distances = plain.structure[order, row]
        reached = (distances[0] <= mix.structure[:, row]) & (mix.structure[:, row] <= distances[-1])
        reached[[0, -1]] = False  # nu = 0 and nu = 1 are img2img themselves
        ours[reached, row] = mix.content[reached, row]
        theirs[reached, row] = np.interp(mix.structure[reached, row], distances, plain.content[order, row])
    return tuple(np.nanmean(side.reshape(len(mix.values), pairs, -1), axis=(0, 2)) for side in (ours, theirs))


def by_pair(rowwise: np.ndarray, pairs: int) -> np.ndarray:
    """Means over a pair's seeds: `[..., rows]` to `[..., pairs]`."""
    return rowwise.reshape(*rowwise.shape[:-1], pairs, -1).mean(-1)


def draw_curves(name: str, curves: dict[str, Curve], label: str) -> None:
    figure, axes = plt.subplots(1, len(curves), figsize=(5 * len(curves), 3.6), squeeze=False)
    for axis, (title, curve) in zip(axes[0], curves.items(), strict=True):
        for measure in ("content", "layout", "structure", "colour"):
            kind = "similarity" if measure in ("content", "layout") else "distance"
            axis.plot(curve.values, getattr(curve, measure).mean(1), marker="o", ms=3, label=f"{measure} {kind}")
        axis.set(title=title, xlabel=label, ylim=(-0.1, 1))
        axis.grid(alpha=0.3)
    axes[0][0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(OUT / f"{name}.png", dpi=110)
    plt.close(figure)


def write_table(name: str, heading: str, rows: list[tuple[str, str]]) -> None:
    lines = [heading, "", "| claim | measured |", "| --- | --- |", *(f"| {claim} | {measured} |" for claim, measured in rows)]
    text = "\n".join(lines) + "\n"
    (OUT / f"{name}.md").write_text(text)
    print(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=sum(map(len, PAIRS.values())), help="fewer for a quick look")
    parser.add_argument("--seeds", type=int, default=4)
    options = parser.parse_args()
    torch.set_num_threads(1)  # the demo model is too small to gain from more
    OUT.mkdir(parents=True, exist_ok=True)
    judge = Judge()
    files = {file.stem.replace("_", " ").replace("-", " "): file for file in (PACK / "demo_model" / "layouts").glob("*.png")}
    pairs = [(layout, content) for layout, contents in PAIRS.items() for content in contents][: options.pairs]
    rows = [Row(files[layout], layout, content) for layout, content in pairs for _ in range(options.seeds)]
    sampler = Sampler(rows)

    def measure(values: list[float], draw: Callable[[float], Tensor]) -> Curve:
        return sweep(values, draw, judge, rows, sampler.layouts)

    over_k = measure(KS, lambda k: sampler.mix(1.0, k, k))
    over_nu = measure(SHARES, sampler.mix)
    averaged = measure(SHARES, sampler.average)
    draw_curves("figure5_k", {"K = k_max = k_min, nu = 1": over_k}, "K")
    shown = range(0, len(rows), 2 * options.seeds)  # the first seed of every other pair
    for name, label, curve in (("figure5_k", "K", over_k), ("figure6_nu", "nu", over_nu), ("averaged_prompts", "share", averaged)):
        sampler.sheet(curve.pictures[:, shown], [f"{label} {value:g}" for value in curve.values]).save(OUT / f"{name}_sheet.png")
    draw_curves("figure6_nu", {"MagicMix": over_nu, "averaged prompts": averaged}, "nu, or share of the content prompt")

    likeness = np.array([judge.likeness(layout, content) for layout, content in pairs])
    unlike = likeness < np.median(likeness)
    best_mix, best_average = (by_pair(curve.balance, len(pairs)).max(0) for curve in (over_nu, averaged))
    best_nu = np.array(SHARES)[by_pair(over_nu.balance, len(pairs)).argmax(0)]
    ours, theirs = at_equal_structure(over_nu, over_k, len(pairs))
    link = stats.spearmanr(likeness, best_nu)
    table = [
        ("1. Figure 5: content similarity rises with K", f"rho {rho(KS, over_k.content.mean(1)):+.2f}"),
        ("1. Figure 5: layout similarity falls with K", f"rho {rho(KS, over_k.layout.mean(1)):+.2f}"),
        ("1. Figure 5: at K = 0.2, structure and colour distance", f"{over_k.structure[1].mean():.3f}, {over_k.colour[1].mean():.3f}"),
        ("1. Figure 5: at K = 0.9, structure and colour distance", f"{over_k.structure[-1].mean():.3f}, {over_k.colour[-1].mean():.3f}"),
        ("2. Figure 6: content similarity rises with nu", f"rho {rho(SHARES, over_nu.content.mean(1)):+.2f}"),
        ("2. Figure 6: layout similarity falls with nu", f"rho {rho(SHARES, over_nu.layout.mean(1)):+.2f}"),
        ("2. Figure 6: structure distance rises with nu", f"rho {rho(SHARES, over_nu.structure.mean(1)):+.2f}"),
        ("3. Figure 2: best balance, MagicMix - averaged prompts, unlike pairs", paired(best_mix[unlike], best_average[unlike])),
        ("3. Figure 2: the same, all pairs", paired(best_mix, best_average)),
        ("4. content similarity, MagicMix - img2img at equal structure distance", paired(ours, theirs)),
        ("5. best-balance nu against likeness of the two concepts", f"rho {link.statistic:+.2f}, p = {link.pvalue:.2f}, n = {len(pairs)}"),
        ("5. best-balance nu, lower and upper quartile", f"{np.quantile(best_nu, 0.25):.2f}, {np.quantile(best_nu, 0.75):.2f}"),
        ("judge: accuracy on drawings by other hands, top-1", f"{judge.facts['accuracy']['held-out set, top-1']:.3f}"),
    ]
    write_table("claims", f"{len(pairs)} pairs x {options.seeds} seeds", table)


if __name__ == "__main__":
    main()
