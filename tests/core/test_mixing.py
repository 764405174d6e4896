import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from magicmix_core.layout import NoisedPath, independent_noise, noiseless, shared_noise, variance_exploding
from magicmix_core.mixing import Window, mix, mix_restoring_variance, sample_mixed
from magicmix_core.nu import Nu

WINDOW = Window(sigma_max=6.0, sigma_min=3.0)


def constant(nu):
    return Nu(torch.full((1, 1, 1, 1), nu, dtype=torch.float64))


@pytest.fixture(params=[shared_noise, independent_noise])
def layout(request, draw):
    return NoisedPath(draw(1) * 3, request.param(draw, 2))


def test_sampling_starts_at_the_first_sigma_at_or_below_k_max(sigmas):
    assert Window(6.0, 3.0).executed(sigmas)[0] == sigmas[sigmas <= 6.0][0]
    on_the_grid = float(sigmas[8])
    assert Window(on_the_grid, 3.0).executed(sigmas)[0] == on_the_grid
    assert torch.equal(Window(1e9, 3.0).executed(sigmas), sigmas)


def test_a_schedule_that_ends_above_k_max_leaves_its_last_sigma(sigmas):
    assert torch.equal(Window(6.0, 3.0).executed(sigmas[:5]), sigmas[4:5])


@given(k_max=st.floats(0, 12), k_min=st.floats(0, 12))
def test_mixed_steps_are_those_whose_origin_lies_in_the_window(k_max, k_min):
    sigmas = torch.linspace(10, 0, 21, dtype=torch.float64)
    executed = Window(k_max, k_min).executed(sigmas)
    inside = [s for s in executed[:-1] if k_min < s <= k_max]
    assert Window(k_max, k_min).mixed_steps(executed) == len(inside)


def test_the_mix_is_the_papers_equation():
    content, layout = torch.tensor([[[[2.0]]]]), torch.tensor([[[[10.0]]]])
    assert mix(content, layout, torch.tensor(0.25)) == 0.25 * 2 + 0.75 * 10


@pytest.mark.parametrize("nu", [0.1, 0.5, 0.9])
def test_a_run_is_steps_of_the_sampler_with_the_mix_between(euler, model, sigmas, layout, nu):
    """Written out step by step, as section 3 of the paper reads."""
    steps = [n for n, s in enumerate(sigmas) if s <= WINDOW.sigma_max]
    x = layout.at(sigmas[steps[0]], len(steps) - 1)
    for n in steps[:-1]:
        x = euler(model, x, sigmas[n : n + 2])
        if sigmas[n] > WINDOW.sigma_min:
            x = nu * x + (1 - nu) * layout.at(sigmas[n + 1], len(sigmas) - n - 2)
    torch.testing.assert_close(sample_mixed(euler, model, layout, sigmas, WINDOW, constant(nu)), x, rtol=1e-12, atol=0)


def plain(sampler, model, layout, sigmas, start, **options):
    executed = sigmas[sigmas <= start]
    return sampler(model, layout.at(executed[0], len(executed) - 1), executed, **options)


def test_nu_one_is_the_plain_run_from_the_layout(euler, ancestral, model, sigmas, layout):
    for sampler in (euler, ancestral):
        mixed = sample_mixed(sampler, model, layout, sigmas, WINDOW, constant(1.0), extra_args={"seed": 5})
        assert torch.equal(mixed, plain(sampler, model, layout, sigmas, WINDOW.sigma_max, extra_args={"seed": 5}))


def test_an_empty_window_is_the_plain_run_from_the_layout(euler, ancestral, model, sigmas, layout):
    for sampler in (euler, ancestral):
        mixed = sample_mixed(sampler, model, layout, sigmas, Window(6.0, 6.0), constant(0.5), extra_args={"seed": 5})
        assert torch.equal(mixed, plain(sampler, model, layout, sigmas, 6.0, extra_args={"seed": 5}))


def test_nu_zero_is_the_plain_run_from_the_layout_at_k_min(euler, ancestral, model, sigmas, layout):
    for sampler in (euler, ancestral):
        mixed = sample_mixed(sampler, model, layout, sigmas, WINDOW, constant(0.0), extra_args={"seed": 5})
        assert torch.equal(mixed, plain(sampler, model, layout, sigmas, WINDOW.sigma_min, extra_args={"seed": 5}))


def test_a_mix_is_neither_the_content_nor_the_layout(euler, model, sigmas, layout):
    runs = [sample_mixed(euler, model, layout, sigmas, WINDOW, constant(nu)) for nu in (0.0, 0.5, 1.0)]
    for a, b in ((0, 1), (1, 2), (0, 2)):
        assert (runs[a] - runs[b]).abs().max() > 1e-3


def test_k_max_zero_returns_the_layout_untouched(euler, model, sigmas, draw):
    layout = NoisedPath(draw(1), shared_noise(draw, 2))
    assert torch.equal(sample_mixed(euler, model, layout, sigmas, Window(0.0, 0.0), constant(0.5)), layout.x0)
    assert model.calls == 0


def test_the_model_is_called_once_for_each_executed_step(euler, model, sigmas, layout):
    sample_mixed(euler, model, layout, sigmas, WINDOW, constant(0.5))
    assert model.calls == int((sigmas[:-1] <= WINDOW.sigma_max).sum())


def test_the_callback_counts_the_executed_steps_once_each(euler, model, sigmas, layout):
    seen = []
    sample_mixed(euler, model, layout, sigmas, WINDOW, constant(0.5), callback=lambda info: seen.append(info["i"]))
    assert seen == list(range(model.calls))


def test_stochastic_samplers_draw_fresh_noise_at_each_mixed_step(sigmas, draw):
    """With a denoiser that always answers 0, what a step adds is its noise alone."""
    seen = []

    def nothing_but_noise(model, x, sigmas, extra_args=None, callback=None, disable=None):
        generator = torch.Generator().manual_seed(extra_args["seed"])
        seen.append(torch.randn(x.shape, generator=generator).flatten())
        return sigmas[-1] * seen[-1].reshape(x.shape)

    layout = NoisedPath(draw(1) * 0, shared_noise(draw, 2))
    sample_mixed(nothing_but_noise, None, layout, sigmas, WINDOW, constant(0.5), extra_args={"seed": 0})
    correlations = torch.corrcoef(torch.stack(seen)).fill_diagonal_(0)
    assert len(seen) > 3 and correlations.abs().max() < 5 * seen[0].numel() ** -0.5


def test_what_a_sampler_writes_into_its_arguments_stays_with_that_step(model, sigmas, layout):
    def careless(model, x, sigmas, extra_args=None, callback=None, disable=None):
        assert "mark" not in extra_args and (sigmas >= 0).all()
        extra_args["mark"] = True
        sigmas[:] = -1
        return x

    extra_args, before = {"seed": 1}, sigmas.clone()
    sample_mixed(careless, model, layout, sigmas, WINDOW, constant(0.5), extra_args=extra_args)
    assert extra_args == {"seed": 1} and torch.equal(sigmas, before)


def test_a_row_of_a_batch_of_nus_is_the_run_with_that_nu(euler, sigmas, draw):
    layout = NoisedPath(draw(1)[:1].repeat(3, 1, 1, 1), lambda k: draw(2)[:1].repeat(3, 1, 1, 1))

    def rowwise(x, sigma):
        return torch.tanh(x / (1 + sigma.reshape(-1, 1, 1, 1)))

    values = [0.2, 0.5, 0.9]
    together = sample_mixed(euler, rowwise, layout, sigmas, WINDOW, Nu(torch.tensor(values, dtype=torch.float64).reshape(3, 1, 1, 1)))
    for row, nu in enumerate(values):
        torch.testing.assert_close(
            together[row], sample_mixed(euler, rowwise, layout, sigmas, WINDOW, constant(nu))[row], rtol=1e-12, atol=1e-12
        )


def test_restoring_variance_gives_independent_noises_their_strength_back():
    generator = torch.Generator().manual_seed(0)
    mean_c, mean_l, noise_c, noise_l = (torch.randn(1, 4, 64, 64, generator=generator, dtype=torch.float64) for _ in range(4))
    nu = torch.tensor(0.5, dtype=torch.float64)
    blurred = mix(noise_c, noise_l, nu)
    restored = mix_restoring_variance(mean_c + noise_c, mean_l + noise_l, nu, mean_c, mean_l) - mix(mean_c, mean_l, nu)
    assert blurred.std() == pytest.approx(0.5**0.5, rel=0.02)
    assert restored.std() == pytest.approx(1, rel=0.02)


def test_restoring_variance_leaves_equal_noises_alone():
    generator = torch.Generator().manual_seed(0)
    mean_c, mean_l, noise = (torch.randn(2, 4, 8, 8, generator=generator, dtype=torch.float64) for _ in range(3))
    for nu in (0.0, 0.3, 1.0):
        weight = torch.tensor(nu, dtype=torch.float64)
        restored = mix_restoring_variance(mean_c + noise, mean_l + noise, weight, mean_c, mean_l)
        torch.testing.assert_close(restored, mix(mean_c + noise, mean_l + noise, weight), rtol=1e-12, atol=1e-12)


def test_a_sampler_that_does_not_report_its_estimate_mixes_plainly(ancestral, model, sigmas, layout):
    options = {"extra_args": {"seed": 1}}
    plainly = sample_mixed(ancestral, model, layout, sigmas, WINDOW, constant(0.5), **options)
    assert torch.equal(
        sample_mixed(ancestral, model, layout, sigmas, WINDOW, constant(0.5), restore=variance_exploding, **options), plainly
    )


def test_restoring_variance_reaches_the_run(euler, model, sigmas, draw):
    layout = NoisedPath(draw(1), independent_noise(draw, 2))
    restored = sample_mixed(euler, model, layout, sigmas, WINDOW, constant(0.5), restore=variance_exploding)
    assert (restored - sample_mixed(euler, model, layout, sigmas, WINDOW, constant(0.5))).abs().max() > 1e-3


def test_noiseless_drops_the_noise_only(draw):
    assert torch.equal(noiseless(variance_exploding, torch.tensor(2.0), draw(1)), draw(1))


def test_a_half_and_half_map_is_the_two_scalar_runs_side_by_side(euler, sigmas, draw):
    """With a model that looks at each place by itself, so that nothing crosses the seam."""
    layout = NoisedPath(draw(1), shared_noise(draw, 2))

    def placewise(x, sigma):
        return torch.tanh(x / (1 + sigma.reshape(-1, 1, 1, 1)))

    halves = torch.full((1, 1, 6, 6), 0.3, dtype=torch.float64)
    halves[..., 3:] = 0.8
    mixed, left, right = (sample_mixed(euler, placewise, layout, sigmas, WINDOW, nu) for nu in (Nu(halves), constant(0.3), constant(0.8)))
    torch.testing.assert_close(mixed, torch.cat([left[..., :3], right[..., 3:]], -1), rtol=1e-12, atol=1e-12)
