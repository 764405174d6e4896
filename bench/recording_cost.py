"""MagicMixLayoutFromPrompt, which keeps its path, against the core's KSampler, which does not."""

from interleaved import Bench


def main() -> None:
    bench = Bench(__doc__, pairs=5, steps=5)

    def plain():
        bench.run("KSampler", **bench.conditioning, **bench.sampling, latent_image=bench.latent, denoise=1.0)

    def recording():
        bench.run("MagicMixLayoutFromPrompt", **bench.conditioning, **bench.sampling, latent=bench.latent)

    bench.compare(("KSampler", "MagicMixLayoutFromPrompt"), plain, recording)


if __name__ == "__main__":
    main()
