import pytest
import torch

from magicmix_core.inversion import invert
from magicmix_core.layout import NoisedPath, RecordedPath, noiseless, rectified_flow, variance_exploding
from magicmix_core.mixing import Window, sample_mixed
from magicmix_core.nu import Nu
from magicmix_core.recording import sample_recorded


@pytest.fixture
def recorded(euler, model, sigmas, draw):
    start = draw(1) * sigmas[0]
    return sample_recorded(euler, model, start, sigmas)


def test_recording_does_not_change_the_result(euler, recorded, model, sigmas, draw):
    assert torch.equal(recorded[0], euler(model, draw(1) * sigmas[0], sigmas))


def test_every_level_is_recorded_with_the_latent_that_stood_there(euler, recorded, model, sigmas, draw):
    result, levels, latents = recorded
    assert torch.equal(levels, sigmas) and latents.device.type == "cpu"
    for n in (0, 7, 20):
        assert torch.equal(latents[n], euler(model, draw(1) * sigmas[0], sigmas[: n + 1]))
    assert torch.equal(latents[-1], result)


def test_the_callback_still_hears_of_each_step(euler, model, sigmas, draw):
    seen = []
    sample_recorded(euler, model, draw(1), sigmas, callback=lambda info: seen.append(info["i"]))
    assert seen == list(range(20))


def test_what_the_model_saw_is_kept_whatever_the_sampler_reports_or_writes_later(sigmas):
    def careless(model, x, sigmas, extra_args=None, callback=None, disable=None):
        for i in range(len(sigmas) - 1):
            model(x, sigmas[i : i + 1])
            callback({"i": i, "x": torch.tensor(99.0)})
            x.fill_(i + 1)
        sigmas.fill_(-1)
        return x

    before = sigmas.clone()
    _, levels, latents = sample_recorded(careless, lambda x, sigma: x, torch.zeros(1, 1, 1, 1), sigmas)
    assert torch.equal(levels, before)
    assert latents.flatten().tolist() == list(range(21))


def test_the_model_stays_itself_to_the_sampler(sigmas, euler, model):
    model.inner_model = object()
    seen = []

    def asking(observed, x, sigmas, **options):
        seen.append(observed.inner_model)
        return euler(observed, x, sigmas, **options)

    sample_recorded(asking, model, torch.zeros(1, 4, 6, 6), sigmas)
    assert seen == [model.inner_model]


def test_a_recorded_path_is_exact_on_its_own_grid(recorded, sigmas, draw):
    layout = RecordedPath(recorded[1], recorded[2], variance_exploding, like=draw(1))
    for n, sigma in enumerate(sigmas):
        assert torch.equal(layout.at(sigma, 20 - n), recorded[2][n])


def test_between_two_levels_it_lies_on_the_straight_line(recorded, sigmas, draw):
    layout = RecordedPath(recorded[1], recorded[2], variance_exploding, like=draw(1))
    for n, share in ((3, 0.25), (19, 0.5)):
        between = torch.lerp(sigmas[n], sigmas[n + 1], share)
        torch.testing.assert_close(layout.at(between, 0), torch.lerp(recorded[2][n], recorded[2][n + 1], share))


def test_above_its_first_level_the_first_latent_stands_in(recorded, draw):
    layout = RecordedPath(recorded[1], recorded[2], variance_exploding, like=draw(1))
    assert torch.equal(layout.at(torch.tensor(99.0), 0), recorded[2][0])


def test_one_recorded_row_serves_a_batch(recorded, sigmas, draw):
    layout = RecordedPath(recorded[1], recorded[2][:, :1], variance_exploding, like=draw(1))
    assert torch.equal(layout.at(sigmas[4], 0), recorded[2][4, :1].repeat(2, 1, 1, 1))


@pytest.mark.parametrize("noising", [variance_exploding, rectified_flow])
def test_the_mean_of_a_recorded_path_is_its_picture(recorded, draw, noising):
    layout = RecordedPath(recorded[1], recorded[2], noising, like=draw(1))
    sigma = torch.tensor(0.4, dtype=torch.float64)
    assert torch.equal(layout.mean(sigma, 0), noiseless(noising, sigma, recorded[2][-1]))


def test_inverting_and_sampling_return_the_image(euler, sigmas, draw):
    """More refinements, nearer: the fixed point is the exact inverse of the sampler's step."""

    def wavy_gaussian(x, sigma):
        sigma = sigma.reshape(-1, 1, 1, 1)
        return x / (1 + sigma**2) + 0.1 * torch.sin(x) / (1 + sigma)

    errors = []
    for refinements in (0, 1, 2, 4, 12):
        path = invert(wavy_gaussian, draw(1), sigmas, refinements)
        assert torch.equal(path[-1], draw(1))
        errors.append(float((euler(wavy_gaussian, path[0], sigmas) - draw(1)).norm() / draw(1).norm()))
    assert errors == sorted(errors, reverse=True) and errors[-1] < 1e-6 < 1e-3 < errors[0]


def test_each_refinement_costs_one_call_a_step(model, sigmas, draw):
    for refinements in (0, 2):
        model.calls = 0
        invert(model, draw(1), sigmas, refinements)
        assert model.calls == 20 * (refinements + 1)


def test_the_inverse_of_a_straight_path_is_exact_at_once(sigmas, draw):
    """A model that always sees one image has straight paths: x = image + sigma * eps."""
    image = draw(1)
    path = invert(lambda x, sigma: x * 0 + image, image, sigmas, 0)
    torch.testing.assert_close(path, image.expand_as(path))


def test_no_graph_of_gradients_grows_along_a_run(euler, sigmas, draw):
    """Weights may want gradients; fifty steps of their graph would fill the memory."""
    weight = torch.nn.Parameter(torch.tensor(0.5, dtype=torch.float64))
    results = [
        invert(lambda x, sigma: x * weight, draw(1), sigmas, 1),
        sample_recorded(euler, lambda x, sigma: x * weight, draw(1), sigmas)[0],
        sample_mixed(
            euler, lambda x, sigma: x * weight, NoisedPath(draw(1), draw), sigmas, Window(6.0, 3.0), Nu(torch.full((1, 1, 1, 1), 0.5))
        ),
    ]
    assert not any(result.requires_grad for result in results)
