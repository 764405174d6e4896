"""Seeds derived from one seed, so that every step of a run can draw noise of its own."""

GOLDEN_RATIO_64 = 0x9E3779B97F4A7C15


def derive_seed(seed: int, k: int) -> int:
    """The seed of step `k` of a run seeded with `seed`: below 2**63, as every random generator takes it.

    Users count seeds up by one, so neighbouring seeds must not share steps: the golden ratio's stride keeps them apart.
    """
    return (seed + (k + 1) * GOLDEN_RATIO_64) % 2**63
