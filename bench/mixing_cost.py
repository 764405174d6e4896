"""MagicMixKSampler against the core's sampler over the same executed steps."""

from interleaved import Bench

K_MAX, K_MIN = 0.6, 0.3


def main() -> None:
    bench = Bench(__doc__, pairs=5, steps=10)
    executed = bench.sigmas[bench.sigmas <= bench.model_sampling.percent_to_sigma(1 - K_MAX)]
    (layout,) = bench.run("MagicMixLayoutNoise", latent=bench.latent, seed=1, noise="shared")
    (euler,) = bench.run("KSamplerSelect", sampler_name="euler")

    def plain():
        inputs = {"add_noise": True, "noise_seed": 1, "sampler": euler, "sigmas": executed, "latent_image": bench.latent}
        bench.run("SamplerCustom", **bench.conditioning, **inputs)

    def mixing():
        bench.run("MagicMixKSampler", **bench.conditioning, **bench.sampling, layout=layout, nu=0.5, k_max=K_MAX, k_min=K_MIN)

    bench.compare(("plain sampler", "MagicMixKSampler"), plain, mixing)


if __name__ == "__main__":
    main()
