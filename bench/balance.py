"""How near MagicMix Balance comes to the best nu of a full sweep, on the demo model: 24 pairs of a layout picture and a content.

A judge that never saw the sampler says how much a mix looks like the layout's thing and like the content; the smaller of both is its
balance (as in ATIH, arXiv 2410.20823). Balance itself knows neither: it measures structure and colours.
"""

import argparse
import sys
from pathlib import Path

sys.path += [str(Path(__file__).resolve().parent.parent / "tools"), str(Path(__file__).resolve().parent.parent / "tools" / "figures")]

import torch
from comfy_server import PACK
from figures import PAIRS
from judge import Judge
from sampling import SAMPLING, Row, Sampler
from torch import Tensor

NUS = [round(0.05 * n, 2) for n in range(21)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=6)
    parser.add_argument("--target", type=float, default=0.5)
    parser.add_argument("--k-max", type=float, default=0.85)
    parser.add_argument("--k-min", type=float, default=0.35)
    options = parser.parse_args()
    torch.set_num_threads(1)  # the demo model is too small to gain from more
    layouts = PACK / "demo_model" / "layouts"
    rows = [Row(layouts / f"{layout.replace(' ', '_')}.png", layout, content) for layout, contents in PAIRS.items() for content in contents]
    sampler, judge = Sampler(rows), Judge()
    window = {"k_max": options.k_max, "k_min": options.k_min}

    def judged(pictures: Tensor, rows: list[Row]) -> Tensor:
        likenesses = [judge.similarity(pictures, [getattr(row, kind) for row in rows]) for kind in ("layout", "content")]
        return torch.stack(likenesses).amin(0)

    def found(number: int) -> tuple[float, float]:
        """The nu that is found for a pair, and its picture's balance."""
        latent = {"samples": sampler.layout.samples[number : number + 1]}
        (layout,) = sampler.run("MagicMixLayoutNoise", latent=latent, seed=1, noise="shared")
        (positive,) = sampler.run("CLIPTextEncode", clip=sampler.clip, text=f"a {rows[number].content}")
        inputs = {"model": sampler.model, "positive": positive, "negative": sampler.nothing, "layout": layout, "vae": sampler.vae}
        search = {"target": options.target, "tries": options.tries}
        mixed, nu, _ = sampler.run("MagicMixBalance", **inputs, **SAMPLING, **window, **search)
        pictures = sampler.run("VAEDecode", vae=sampler.vae, samples=mixed)[0].movedim(-1, 1).clamp(0, 1)
        return nu, float(judged(pictures, [rows[number]])[0])

    nus, balances = (torch.tensor(values) for values in zip(*map(found, range(len(rows))), strict=True))
    swept = torch.stack([judged(sampler.mix(nu, **window), rows) for nu in NUS])
    best, where = swept.max(0)
    half = swept[NUS.index(0.5)]
    common, place = swept.mean(1).max(0)
    print("| layout, content | best nu | its balance | found nu | its balance | balance at nu 0.5 |")
    print("| --- | --- | --- | --- | --- | --- |")
    for n, row in enumerate(rows):
        print(f"| {row.layout}, {row.content} | {NUS[where[n]]:g} | {best[n]:.3f} | {nus[n]:.3f} | {balances[n]:.3f} | {half[n]:.3f} |")
    print(
        f"\nmean balance: best of {len(NUS)} nus {best.mean():.3f}, found in {options.tries} tries {balances.mean():.3f}, nu 0.5 {half.mean():.3f}"
    )
    print(f"the one nu that is best for all, {NUS[place]:g}: {common:.3f}")
    print(
        f"found is better than nu 0.5 on {(balances > half).sum()} of {len(rows)} pairs, within 5 % of the best on {(balances >= 0.95 * best).sum()}"
    )


if __name__ == "__main__":
    main()
