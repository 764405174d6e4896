"""Nine values of nu as one batch of masks, against nine runs."""

import torch
from interleaved import Bench

NUS = [n / 10 for n in range(1, 10)]


def main() -> None:
    bench = Bench(__doc__, pairs=5, steps=4)
    (layout,) = bench.run("MagicMixLayoutNoise", latent=bench.latent, seed=1, noise="shared")
    maps = torch.stack([torch.full((8, 8), nu) for nu in NUS])

    def mix(**settings):
        bench.run(
            "MagicMixKSampler", **bench.conditioning, **bench.sampling, layout=layout, **{"nu": 0.5, "k_max": 0.6, "k_min": 0.3} | settings
        )

    def one_by_one():
        for nu in NUS:
            mix(nu=nu)

    bench.compare(("nine runs", "one batch of nine"), one_by_one, lambda: mix(nu_map=maps))


if __name__ == "__main__":
    main()
