"""Two textbook samplers and a toy denoiser: the core is tested without any host."""

import pytest
import torch


@pytest.fixture
def euler():
    """Algorithm 1 of Karras et al. (arXiv 2206.00364) without churn."""

    def sample(model, x, sigmas, extra_args=None, callback=None, disable=None):
        for i in range(len(sigmas) - 1):
            denoised = model(x, sigmas[i] * x.new_ones(x.shape[0]))
            if callback is not None:
                callback({"i": i, "denoised": denoised, "x": x})
            x = x + (x - denoised) / sigmas[i] * (sigmas[i + 1] - sigmas[i])
        return x

    return sample


@pytest.fixture
def ancestral():
    """Fresh noise at each step, seeded by the run as the host's samplers are."""

    def sample(model, x, sigmas, extra_args=None, callback=None, disable=None):
        generator = torch.Generator().manual_seed(extra_args["seed"])
        for i in range(len(sigmas) - 1):
            noise = torch.randn(x.shape, generator=generator, dtype=x.dtype)
            x = model(x, sigmas[i] * x.new_ones(x.shape[0])) + sigmas[i + 1] * noise
        return x

    return sample


@pytest.fixture
def model():
    """A smooth, non-linear denoiser that counts its calls in `model.calls`."""

    def denoise(x, sigma):
        denoise.calls += 1
        sigma = sigma.reshape(-1, 1, 1, 1)
        return torch.tanh(x / (1 + sigma**2).sqrt()) * 2 + 0.1 * x.roll(1, -1) / (1 + sigma)

    denoise.calls = 0
    return denoise


@pytest.fixture
def sigmas():
    return torch.cat([torch.linspace(10, 0.1, 20, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)])


@pytest.fixture
def draw():
    """`draw(seed)`: unit noise `[2, 4, 6, 6]`."""
    return lambda seed: torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
