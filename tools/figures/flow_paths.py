"""`make figures`, fourth part: the ways of FlowEdit and of an inversion between two sets of points, where the flows are known exactly.

Points of three clusters are taken to three others, with the core's own functions: up to their noise with the one flow and down with the
other, and by FlowEdit. The picture of the help page and of the graph is made of it, and the lengths are printed.
"""

import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import matplotlib
import torch
from torch import Tensor

sys.path.append(str(Path(__file__).resolve().parent.parent.parent))

from magicmix_core.flow_edit import flow_edit
from magicmix_core.inversion import invert
from magicmix_core.layout import rectified_flow

matplotlib.use("Agg")
import matplotlib.pyplot as plt

PACK = Path(__file__).resolve().parent.parent.parent
FILES = [PACK / "web" / "docs" / "pictures" / "flow_edit.jpg", PACK / "workflows" / "flow_edit_sd35.jpg"]
SPREAD, EACH, STEPS = 0.15, 12, 100
SOURCE = torch.tensor([[-2.0, 1.6], [-2.2, -0.1], [-1.8, -1.5]], dtype=torch.float64)
TARGET = torch.tensor([[1.7, 0.9], [2.3, 0.0], [2.0, -2.0]], dtype=torch.float64)
COLOURS = ("#1b6ca8", "#d1495b", "#3a7d44")


def flow_of(clusters: Tensor) -> Callable[..., Tensor]:
    """The exact model of points in `clusters` `[n, 2]`: what is denoised of `x` `[B, 2]`, their mean given what is seen."""

    def denoised(x: Tensor, sigma: Tensor) -> Tensor:
        t = sigma[0]
        variance = (1 - t) ** 2 * SPREAD**2 + t**2
        apart = x[:, None] - (1 - t) * clusters  # [B, n, 2]
        likely = (-apart.square().sum(-1) / (2 * variance)).softmax(-1)
        means = clusters + (1 - t) * SPREAD**2 / variance * apart
        return (likely[..., None] * means).sum(1)

    return denoised


def by_inversion(points: Tensor, times: Tensor) -> Tensor:
    """The way up with the one flow and down with the other, `[2 * STEPS + 1, B, 2]`."""
    way = list(invert(flow_of(SOURCE), points, times, 4).flip(0))
    x, model = way[-1], flow_of(TARGET)
    for upper, lower in pairwise(times):
        x = x + (lower - upper) * (x - model(x, upper * x.new_ones(len(x)))) / upper
        way.append(x)
    return torch.stack(way)


def by_flow_edit(points: Tensor, times: Tensor, averages: int) -> Tensor:
    """The way of the edit, `[STEPS + 1, B, 2]`."""
    way, generator = [points], torch.Generator().manual_seed(2)
    flow_edit(
        flow_of(SOURCE),
        flow_of(TARGET),
        points,
        times,
        STEPS,
        lambda k, j: torch.randn(points.shape, generator=generator, dtype=points.dtype),
        rectified_flow,
        averages=averages,
        callback=lambda info: way.append(info["denoised"]),
    )
    return torch.stack(way)


def main() -> None:
    generator = torch.Generator().manual_seed(1)
    points = SOURCE.repeat_interleave(EACH, 0) + SPREAD * torch.randn(3 * EACH, 2, generator=generator, dtype=torch.float64)
    times = torch.linspace(1, 0, STEPS + 1, dtype=torch.float64)
    ways = {"inversion, then the target": by_inversion(points, times), "FlowEdit": by_flow_edit(points, times, 8)}
    figure, axes = plt.subplots(1, 2, figsize=(7.68, 3.84), sharex=True, sharey=True)
    for axis, (name, way) in zip(axes, ways.items(), strict=True):
        moved = float((way[-1] - points).norm(dim=-1).mean())
        length = float(way.diff(dim=0).norm(dim=-1).sum(0).mean())
        print(f"{name}: {moved:.2f} from the picture, on a way of {length:.2f}")
        for cluster, colour in enumerate(COLOURS):
            rows = slice(cluster * EACH, (cluster + 1) * EACH)
            axis.plot(*way[:, rows].unbind(-1), color=colour, linewidth=0.8, alpha=0.6)
            axis.scatter(*way[0, rows].T, color=colour, s=14, marker="o", zorder=3)
            axis.scatter(*way[-1, rows].T, color=colour, s=18, marker="x", linewidths=1.2, zorder=3)
        axis.set_title(f"{name}\nends {moved:.1f} away, after a way of {length:.1f}", fontsize=10)
        axis.set_axis_off()
    figure.tight_layout()
    for file in FILES:
        figure.savefig(file, dpi=100, pil_kwargs={"quality": 90})


if __name__ == "__main__":
    main()
