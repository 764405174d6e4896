"""FlowEdit against its paper's Algorithm 1 written out, and its laws; in float64."""

import pytest
import torch
from torch.nn.functional import tanh

from magicmix_core.flow_edit import flow_edit
from magicmix_core.layout import rectified_flow

SHAPE = (2, 3, 4, 5)


def drawn(number, *shape):
    return torch.randn(*(shape or SHAPE), generator=torch.Generator().manual_seed(number), dtype=torch.float64)


def noise(k, j):
    return drawn(1000 * k + j)


class FlowModel:
    """A small random network of velocities, as a host's model with one prompt: gives what is denoised, counts its calls."""

    def __init__(self, prompt):
        self.inner, self.outer, self.prompt, self.calls = drawn(7, 3, 8), drawn(8, 8, 3), drawn(prompt, 8), 0

    def velocity(self, x, t):
        hidden = tanh(torch.einsum("bchw,ck->bkhw", x, self.inner) + self.prompt[:, None, None] * (1 + t))
        return torch.einsum("bkhw,kc->bchw", hidden, self.outer) / 3

    def __call__(self, x, sigma):
        assert sigma.shape == (len(x),)
        self.calls += 1
        return x - sigma[0] * self.velocity(x, sigma[0])


@pytest.fixture
def source():
    return FlowModel(1)


@pytest.fixture
def target():
    return FlowModel(2)


@pytest.fixture
def picture():
    return drawn(3)


@pytest.fixture
def sigmas():
    """Nine of twelve steps with a flow model's shifted times: n_max is 9."""
    times = torch.linspace(1, 0, 13, dtype=torch.float64)
    return (3 * times / (1 + 2 * times))[3:]


def algorithm_1(source, target, x_src, t, n_max, n_min, n_avg):
    """The paper's, with its names and its counting: t[i] is the time with i steps left to go."""
    z_fe = x_src
    for i in range(n_max, n_min, -1):
        differences = []
        for j in range(n_avg):
            n = noise(i, j)
            z_src = (1 - t[i]) * x_src + t[i] * n
            z_tar = z_fe + z_src - x_src
            differences.append(target.velocity(z_tar, t[i]) - source.velocity(z_src, t[i]))
        z_fe = z_fe + (t[i - 1] - t[i]) * sum(differences) / n_avg
    if n_min == 0:
        return z_fe
    n = noise(n_min, 0)
    z_src = (1 - t[n_min]) * x_src + t[n_min] * n
    z_tar = z_fe + z_src - x_src
    for i in range(n_min, 0, -1):
        z_tar = z_tar + (t[i - 1] - t[i]) * target.velocity(z_tar, t[i])
    return z_tar


@pytest.mark.parametrize(("n_min", "n_avg"), [(0, 1), (0, 3), (4, 1), (4, 2), (9, 1)])
def test_it_is_the_papers_algorithm(source, target, picture, sigmas, n_min, n_avg):
    result = flow_edit(source, target, picture, sigmas, 9 - n_min, noise, rectified_flow, averages=n_avg)
    expected = algorithm_1(source, target, picture, sigmas.flip(0), 9, n_min, n_avg)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-12)
    assert (result - picture).abs().max() > 0.1
    assert (source.calls, target.calls) == ((9 - n_min) * n_avg, (9 - n_min) * n_avg + n_min)


def test_the_same_prompt_leaves_the_picture_as_it_is(source, picture, sigmas):
    assert torch.equal(flow_edit(source, FlowModel(1), picture, sigmas, 9, noise, rectified_flow), picture)


def test_one_gaussian_is_moved_onto_another(picture):
    """From pure noise down: by the difference of their means exactly, whatever the noise, with any number of steps."""

    def gaussian(mean):
        """The flow's exact denoiser for pictures of this mean and unit variance."""

        def denoised(x, sigma):
            t = sigma[0]
            return mean + (1 - t) / ((1 - t) ** 2 + t**2) * (x - (1 - t) * mean)

        return denoised

    sigmas = torch.linspace(1, 0, 6, dtype=torch.float64)
    moved = flow_edit(gaussian(-1.0), gaussian(2.5), picture, sigmas, 5, noise, rectified_flow)
    torch.testing.assert_close(moved, picture + 3.5, rtol=0, atol=1e-12)


@pytest.mark.parametrize("edited_steps", [9, 5, 0])
def test_where_the_mask_is_0_the_picture_stays(source, target, picture, sigmas, edited_steps):
    mask = torch.zeros(1, 1, 4, 5, dtype=torch.float64)
    mask[..., 2:] = 1
    edited = flow_edit(source, target, picture, sigmas, edited_steps, noise, rectified_flow, mask=mask)
    assert torch.equal(edited[..., :2], picture[..., :2]) and (edited - picture)[..., 2:].abs().min() > 1e-6


@pytest.mark.parametrize("edited_steps", [9, 5])
def test_every_step_is_reported_once_with_a_clean_latent(source, target, picture, sigmas, edited_steps):
    seen = []
    result = flow_edit(source, target, picture, sigmas, edited_steps, noise, rectified_flow, callback=seen.append)
    assert [info["i"] for info in seen] == list(range(9)) and torch.equal(torch.stack([info["sigma"] for info in seen]), sigmas[:-1])
    assert torch.allclose(seen[-1]["denoised"], result)


def test_no_steps_give_the_picture(source, target, picture):
    assert flow_edit(source, target, picture, torch.zeros(1), 0, noise, rectified_flow) is picture
    assert source.calls == target.calls == 0


def test_no_graph_of_gradients_grows(target, picture, sigmas):
    target.outer.requires_grad_()
    assert not flow_edit(target, target, picture, sigmas, 5, noise, rectified_flow).requires_grad
