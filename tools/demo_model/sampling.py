"""Noise levels of SD1.x and a bare Euler sampler for the sheets that training draws of itself."""

import itertools

import torch


def alphas_cumprod():
    """SD1.x's 1000 noise levels: betas linear in their square root from 0.00085 to 0.012, float32 [1000]."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return (1 - betas).cumprod(0).float()


def spaced_timesteps(steps):
    """Timesteps from 999 down to 0, evenly spaced, as the host's `normal` scheduler has them; float [steps]."""
    return torch.linspace(999, 0, steps)


def sigmas_at(timesteps):
    """sigma of (fractional) timesteps, interpolated in its logarithm."""
    levels = alphas_cumprod()
    logarithm = ((1 - levels) / levels).log() / 2
    low = timesteps.floor().long()
    return torch.lerp(logarithm[low], logarithm[(low + 1).clamp(max=999)], timesteps - low).exp()


@torch.no_grad()
def euler(unet, context, empty, noise, steps=20, guidance=4.0):
    """Latents [B, 4, h, w] from unit noise of that shape, by Euler steps on eps with classifier-free guidance.

    context: [B, 77, width]; empty: [1, 77, width], the encoded empty prompt.
    """
    timesteps = spaced_timesteps(steps)
    sigmas = [*sigmas_at(timesteps).tolist(), 0.0]
    both = torch.cat([context, empty.expand_as(context)])
    x = noise * (1 + sigmas[0] ** 2) ** 0.5
    for i, timestep in enumerate(timesteps):
        scaled = (x / (1 + sigmas[i] ** 2) ** 0.5).repeat(2, 1, 1, 1)
        with_text, without = unet(scaled, timestep.expand(len(scaled)).to(x.device), context=both).chunk(2)
        x = x + (without + guidance * (with_text - without)) * (sigmas[i + 1] - sigmas[i])
    return x


@torch.no_grad()
def euler_flow(network, context, empty, noise, steps=20, guidance=4.0):
    """As `euler`, for a network that predicts the velocity noise - latent at levels 0..1, told in thousandths."""
    levels = torch.linspace(1, 0, steps + 1)
    both = torch.cat([context, empty.expand_as(context)])
    x = noise
    for level, following in itertools.pairwise(levels):
        times = (1000 * level).expand(len(both)).to(x.device)
        with_text, without = network(x.repeat(2, 1, 1, 1), times, context=both).chunk(2)
        x = x + (without + guidance * (with_text - without)) * (following - level)
    return x
