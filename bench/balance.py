"""How near the searches of MagicMix Balance come to the best nu of a full sweep, on the demo model: pairs of a layout picture and a content.

A judge says how much a mix looks like the layout's thing and like the content; the smaller of both is its balance (as in ATIH,
arXiv 2410.20823). The first search knows neither: it measures structure and colours, and is set beside the sweep in its own measure too.
The second asks the judge, as Balance asks CLIP, and shows what golden section loses against the sweep. All pairs go on side by side,
each with its own nu.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

sys.path += [str(Path(__file__).resolve().parent.parent / folder) for folder in ("", "tools", "tools/figures")]

import torch
from comfy_server import PACK
from figures import PAIRS
from judge import Judge
from sampling import Row, Sampler
from torch import Tensor

from magicmix_core.balance import NuSearch, remains
from magicmix_core.harmony import GoldenSearch

NUS = [round(0.1 * n, 1) for n in range(11)]
BY_REMAINS, BY_JUDGE = "structure and colours", "the judge"


class Mixes:
    """Mixes of each of `rows`, drawn once for each nu: `of(nus)` are pictures `[rows, 3, H, W]` with a nu for each row."""

    def __init__(self, rows: list[Row], k_max: float, k_min: float):
        self.sampler, self.window = Sampler(rows), {"k_max": k_max, "k_min": k_min}
        self.drawn: list[dict[float, Tensor]] = [{} for _ in rows]

    def of(self, nus: list[float]) -> Tensor:
        if any(nu not in drawn for nu, drawn in zip(nus, self.drawn, strict=True)):
            for nu, drawn, picture in zip(nus, self.drawn, self.sampler.mix(torch.tensor(nus), **self.window), strict=True):
                drawn[nu] = picture
        return torch.stack([drawn[nu] for nu, drawn in zip(nus, self.drawn, strict=True)])


def find(searches: list[NuSearch] | list[GoldenSearch], mixes: Mixes, measure: Callable[[Tensor], list[float]]) -> list[float]:
    """The nu that each search finds, when `measure` gives of pictures of all rows what it goes by."""
    while any(asked := [search.next() for search in searches]):
        for number in range(max(map(len, asked))):
            nus = [each[number] if number < len(each) else 1.0 for each in asked]
            for search, each, nu, measured in zip(searches, asked, nus, measure(mixes.of(nus)), strict=True):
                if number < len(each):
                    search.found[nu] = measured
    return [search.best for search in searches]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=6)
    parser.add_argument("--target", type=float, default=0.5)
    parser.add_argument("--k-max", type=float, default=0.85)
    parser.add_argument("--k-min", type=float, default=0.35)
    parser.add_argument("--every", type=int, default=1, help="take every second, third, ... pair only, for a quick look")
    options = parser.parse_args()
    torch.set_num_threads(1)  # the demo model is too small to gain from more
    layouts = PACK / "demo_model" / "layouts"
    rows = [Row(layouts / f"{layout.replace(' ', '_')}.png", layout, content) for layout, contents in PAIRS.items() for content in contents]
    rows = rows[:: options.every]
    mixes, judge = Mixes(rows, options.k_max, options.k_min), Judge()

    def balance(pictures: Tensor) -> Tensor:
        likenesses = [judge.similarity(pictures, [getattr(row, kind) for row in rows]) for kind in ("layout", "content")]
        return torch.stack(likenesses).amin(0)

    def alike(nu: float) -> list[float]:
        return [nu] * len(rows)

    swept = torch.stack([balance(mixes.of(alike(nu))) for nu in NUS])
    (seen,) = mixes.sampler.run("VAEDecode", vae=mixes.sampler.vae, samples=mixes.sampler.layout.latent)
    seen, contents = seen.movedim(-1, 1), mixes.of(alike(1.0))

    def remaining(pictures: Tensor) -> list[float]:
        return [remains(*(each[n : n + 1] for each in (pictures, seen, contents)))[0] for n in range(len(rows))]

    ways = {
        BY_REMAINS: find([NuSearch(options.target, options.tries) for _ in rows], mixes, remaining),
        BY_JUDGE: find([GoldenSearch(options.tries) for _ in rows], mixes, lambda pictures: balance(pictures).tolist()),
    }
    balances = {way: balance(mixes.of(nus)) for way, nus in ways.items()}
    best, where = swept.max(0)
    half = swept[NUS.index(0.5)]
    print(f"| layout, content | best nu | its balance | {' | '.join(f'nu by {way} | its balance' for way in ways)} | balance at nu 0.5 |")
    print("| --- |" + " --- |" * (3 + 2 * len(ways)))
    for n, row in enumerate(rows):
        found = " | ".join(f"{ways[way][n]:.3f} | {balances[way][n]:.3f}" for way in ways)
        print(f"| {row.layout}, {row.content} | {NUS[where[n]]:g} | {best[n]:.3f} | {found} | {half[n]:.3f} |")
    nearest = torch.tensor([remaining(mixes.of(alike(nu))) for nu in NUS]).sub(options.target).abs().amin(0)
    misses = torch.tensor(remaining(mixes.of(ways[BY_REMAINS]))).sub(options.target).abs()
    common, place = swept.mean(1).max(0)
    print(
        f"\nmean balance: best of {len(NUS)} nus {best.mean():.3f}, nu 0.5 {half.mean():.3f}, nu {NUS[place]:g}, the best for all, {common:.3f}"
    )
    for way, reached in balances.items():
        better, near = int((reached > half).sum()), int((reached >= 0.95 * best).sum())
        print(
            f"by {way}, in {options.tries} tries: {reached.mean():.3f}, {float(reached.mean() / best.mean()):.1%} of the best;"
            f" better than nu 0.5 on {better} of {len(rows)} pairs, within 5 % of the best on {near}"
        )
    print(
        f"what remains by {BY_REMAINS}: {misses.mean():.3f} from the target {options.target:g} on average and {misses.max():.3f} at most,"
        f" the nearest nus of the sweep {nearest.mean():.3f} and {nearest.max():.3f}"
    )


if __name__ == "__main__":
    main()
