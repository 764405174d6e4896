import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from magicmix_core.layout import NoisedPath, independent_noise, rectified_flow, shared_noise, variance_exploding
from magicmix_core.seeds import derive_seed


def test_shared_noise_is_one_eps_at_every_step(draw):
    eps = shared_noise(draw, 7)
    assert torch.equal(eps(0), draw(7)) and torch.equal(eps(0), eps(30))


def test_independent_noise_is_fresh_at_every_step_and_the_same_again(draw):
    eps = independent_noise(draw, 7)
    assert not torch.equal(eps(3), eps(4))
    assert torch.equal(eps(3), independent_noise(draw, 7)(3))
    correlation = torch.corrcoef(torch.stack([eps(3).flatten(), eps(4).flatten()]))[0, 1]
    assert correlation.abs() < 4 * eps(3).numel() ** -0.5


def test_an_image_layout_is_the_image_at_sigma_zero(draw):
    x0 = draw(1)
    layout = NoisedPath(x0, shared_noise(draw, 2))
    assert torch.equal(layout.at(torch.tensor(0.0), 0), x0)


@pytest.mark.parametrize(("noising", "clean_share"), [(variance_exploding, lambda s: 1.0), (rectified_flow, lambda s: 1 - s)])
@given(sigma=st.floats(0, 1))
def test_a_layout_is_its_mean_and_sigma_times_unit_noise(noising, clean_share, sigma):
    x0, eps = (torch.randn(1, 2, 3, 3, generator=torch.Generator().manual_seed(n), dtype=torch.float64) for n in (1, 2))
    layout = NoisedPath(x0, lambda k: eps, noising)
    level = torch.tensor(sigma, dtype=torch.float64)
    torch.testing.assert_close(layout.mean(level, 0), clean_share(sigma) * x0)
    torch.testing.assert_close(layout.at(level, 0) - layout.mean(level, 0), sigma * eps)


@given(seed=st.integers(0, 2**64 - 1), k=st.integers(0, 10_000), further=st.integers(1, 10_000))
def test_derived_seeds_suit_every_generator_and_do_not_meet(seed, k, further):
    """Users count seeds up by one: step k of one seed must not be step k + n of a near one."""
    derived = derive_seed(seed, k)
    assert 0 <= derived < 2**63
    assert derived != derive_seed(seed, k + further)
    assert derived != derive_seed(seed + further, k) and derive_seed(seed + further, k) != derive_seed(seed, k + further)
