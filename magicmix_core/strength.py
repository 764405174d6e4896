"""One number for nu, K_max and K_min: from the layout itself to the prompt alone, through what suits a model in the middle."""

from dataclasses import dataclass

MIDDLE = 0.5


@dataclass(frozen=True)
class MixSettings:
    """nu, K_max and K_min, as MagicMix (arXiv 2210.16056) has them."""

    nu: float
    k_max: float
    k_min: float


def settings_of(strength: float, usual: MixSettings) -> MixSettings:
    """The mix for a `strength` in `[0, 1]`: 0 is the layout, `MIDDLE` is `usual`, 1 a plain run of the prompt from pure noise.

    Up to the middle the window grows, with its shape kept: less noise changes texture before it changes shape (Figure 5). From there
    on it goes up to the beginning, and nu to 1 (Figure 6). More strength is never more of the layout in any of the three.
    """
    share = strength / MIDDLE
    if share <= 1:
        return MixSettings(usual.nu, usual.k_max * share, usual.k_min * share)
    rest = share - 1
    return MixSettings(*(value + (1 - value) * rest for value in (usual.nu, usual.k_max, usual.k_min)))
