"""MagicMixLayoutFromPrompt, which keeps its path, against the core's KSampler, which does not.

Whole runs differ by more from one to the next than recording costs, so the second table leaves the UNet out: the difference of
its times, over the first table's time, is the cost.
"""

from interleaved import Bench


def main() -> None:
    bench = Bench(__doc__, pairs=5, steps=5)

    def plain():
        bench.run("KSampler", **bench.conditioning, **bench.sampling, latent_image=bench.latent, denoise=1.0)

    def recording():
        bench.run("MagicMixLayoutFromPrompt", **bench.conditioning, **bench.sampling, latent=bench.latent)

    names = ("KSampler", "MagicMixLayoutFromPrompt")
    bench.compare(names, plain, recording)
    bench.without_unet, bench.pairs = True, 20
    bench.compare(names, plain, recording)


if __name__ == "__main__":
    main()
