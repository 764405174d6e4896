"""MagicMix through the node against the paper's equations, written a second time: VP space, DDIM, no code in common."""

import numpy as np
import pytest
import torch
from closeness import assert_close

STEPS, GUIDANCE, K_MAX, K_MIN = 50, 4.0, 0.6, 0.3


def magicmix_in_vp_space(unet, x0, eps, cond, uncond, nu):
    """Liew et al. (arXiv 2210.16056) with DDIM (arXiv 2010.02502, equation 12, eta = 0) and its alphas."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    alphas = torch.cumprod(1 - betas, 0)
    timesteps = [t for t in range(1, 1000, 1000 // STEPS) if t <= K_MAX * 999][::-1]

    def noised(t):
        return alphas[t].sqrt().float() * x0 + (1 - alphas[t]).sqrt().float() * eps

    x = noised(timesteps[0])
    for t, following in zip(timesteps, [*timesteps[1:], None], strict=True):
        time = torch.tensor([float(t)])
        e_cond, e_uncond = unet(x, time, context=cond), unet(x, time, context=uncond)
        e = e_uncond + GUIDANCE * (e_cond - e_uncond)
        clean = (x - (1 - alphas[t]).sqrt().float() * e) / alphas[t].sqrt().float()
        if following is None:
            return clean
        x = alphas[following].sqrt().float() * clean + (1 - alphas[following]).sqrt().float() * e
        if t > K_MIN * 999:
            x = nu(t / 999) * x + (1 - nu(t / 999)) * noised(following)


@pytest.mark.parametrize(
    "settings, nu",
    [
        ({"nu": 0.1}, lambda k: 0.1),
        ({"nu": 0.9}, lambda k: 0.9),
        ({"nu": 0.5, "nu_curve": "0.4: 0.9, 0.55: 0.2"}, lambda k: float(np.interp(k, [0.4, 0.55], [0.9, 0.2]))),
    ],
    ids=["mostly_layout", "mostly_content", "curve"],
)
def test_the_node_computes_the_papers_equations(run, sd15, prompt, latent, settings, nu):
    source = latent(height=16, width=16)
    (layout,) = run("MagicMixLayoutNoise", latent=source, seed=11, noise="shared")
    inputs = {"model": sd15, "positive": prompt(1), "negative": prompt(0), "layout": layout, "seed": 0, "steps": STEPS, "cfg": GUIDANCE}
    (mixed,) = run("MagicMixKSampler", **inputs, sampler_name="euler", scheduler="ddim_uniform", **settings, k_max=K_MAX, k_min=K_MIN)

    eps = torch.randn(source["samples"].shape, generator=torch.Generator().manual_seed(11))
    with torch.no_grad():
        unet = sd15.model.diffusion_model
        expected = magicmix_in_vp_space(unet, source["samples"] * 0.18215, eps, prompt(1)[0][0], prompt(0)[0][0], nu) / 0.18215
    assert_close(mixed["samples"], expected)
