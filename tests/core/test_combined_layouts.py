"""Layouts made of layouts: blends that are their parts where they should be, moves that move picture and noise alike."""

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from magicmix_core.blended_layout import Blend, BlendedPath
from magicmix_core.layout import NoisedPath, RecordedLayout, RecordedPath, rectified_flow, variance_exploding
from magicmix_core.moved_layout import Move, MovedLayout, MovedPath

SIGMAS = [torch.tensor(sigma, dtype=torch.float64) for sigma in (0.0, 0.3, 0.9)]
NOISINGS = [variance_exploding, rectified_flow]


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def noised(seed, noising=variance_exploding, shape=(2, 4, 6, 8)):
    eps = random(*shape, seed=seed + 100)
    return NoisedPath(random(*shape, seed=seed), lambda k: eps, noising)


def recorded(like):
    sigmas = torch.linspace(1, 0, 6, dtype=torch.float64)
    return RecordedPath(sigmas, random(6, *like.shape), variance_exploding, like)


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("noising", NOISINGS)
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_blend_at_its_ends_is_one_of_the_two_to_the_bit(share, noising, sigma):
    first, second = noised(1, noising), noised(2, noising)
    path = BlendedPath(first, second, Blend(torch.full((1, 1, 1, 1), share)))
    alone = second if share else first
    assert torch.equal(path.at(sigma, 3), alone.at(sigma, 3)) and torch.equal(path.mean(sigma, 3), alone.mean(sigma, 3))


@pytest.mark.parametrize("sigma", SIGMAS)
def test_a_mask_puts_one_beside_the_other_to_the_bit(sigma):
    left = torch.zeros(1, 1, 6, 8)
    left[..., 4:] = 1
    first, second = noised(1), recorded(random(2, 4, 6, 8))
    blended = BlendedPath(first, second, Blend(left)).at(sigma, 3)
    assert torch.equal(blended[..., :4], first.at(sigma, 3)[..., :4]) and torch.equal(blended[..., 4:], second.at(sigma, 3)[..., 4:])


@given(share=st.floats(0.01, 0.99))
def test_a_blend_keeps_the_strength_of_its_noise(share):
    shape = (1, 4, 64, 64)
    path = BlendedPath(noised(1, shape=shape), noised(2, shape=shape), Blend(torch.full((1, 1, 1, 1), share, dtype=torch.float64)))
    sigma = torch.tensor(3.0, dtype=torch.float64)
    noise = path.at(sigma, 0) - path.mean(sigma, 0)
    torch.testing.assert_close(noise.std(), sigma, rtol=0.03, atol=0)
    torch.testing.assert_close(path.mean(sigma, 0), share * path.second.x0 + (1 - share) * path.first.x0)


def test_blends_of_one_layout_with_itself_are_that_layout():
    path = BlendedPath(noised(1), noised(1), Blend(torch.rand(1, 1, 3, 5, generator=torch.Generator().manual_seed(0))))
    torch.testing.assert_close(path.at(SIGMAS[2], 0), noised(1).at(SIGMAS[2], 0))


def test_a_batch_of_shares_makes_a_picture_for_each():
    path = BlendedPath(noised(1), noised(2), Blend(torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1)))
    blended = path.at(SIGMAS[1], 0)
    assert torch.equal(blended[0], noised(1).at(SIGMAS[1], 0)[0]) and torch.equal(blended[1], noised(2).at(SIGMAS[1], 0)[1])


MOVES = [Move(mirror=True), Move(quarters=1), Move(quarters=2), Move(right=0.25, down=-0.5), Move(True, 3, 1.0, -0.125, 0.5)]


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("sigma", SIGMAS)
def test_a_moved_path_is_its_picture_moved_under_its_noise_moved(move, sigma):
    inner = noised(1, shape=(1, 4, 8, 8))
    path = MovedPath(inner, move)
    torch.testing.assert_close(path.at(sigma, 0), move.picture(inner.x0) + sigma * move.noise(inner.eps(0)))
    assert torch.equal(path.mean(sigma, 0), move.picture(inner.x0))


def test_mirrors_and_turns_are_undone_by_their_like():
    picture = random(1, 4, 6, 8)
    assert torch.equal(Move(mirror=True).picture(Move(mirror=True).picture(picture)), picture)
    assert torch.equal(Move(quarters=3).picture(Move(quarters=1).picture(picture)), picture)
    assert torch.equal(Move(quarters=1).picture(picture)[..., 0, 0], picture[..., 0, -1])  # to the left


@given(right=st.floats(-1, 1), down=st.floats(-1, 1))
def test_a_shifted_picture_goes_on_as_its_edges(right, down):
    picture = random(1, 1, 6, 8)
    moved = Move(right=right, down=down).picture(picture)
    rows, columns = round(6 * down), round(8 * right)
    for row in range(6):
        for column in range(8):
            came = picture[0, 0, min(max(row - rows, 0), 5), min(max(column - columns, 0), 7)]
            assert moved[0, 0, row, column] == came


@pytest.mark.parametrize("scale", [0.25, 0.5, 2.0, 3.0])
def test_a_scaled_picture_keeps_its_middle_and_its_size(scale):
    across = torch.linspace(-1, 1, 32, dtype=torch.float64).expand(1, 1, 32, 32)
    moved = Move(scale=scale).picture(across)
    assert moved.shape == across.shape
    middle = slice(13, 19)
    torch.testing.assert_close(moved[..., middle], across[..., middle] / scale, rtol=0, atol=0.02)


@given(scale=st.floats(0.1, 4), right=st.floats(-1, 1), down=st.floats(-1, 1), quarters=st.integers(0, 3), mirror=st.booleans())
def test_moved_noise_holds_the_very_same_numbers(scale, right, down, quarters, mirror):
    noise = random(1, 4, 6, 8)
    moved = Move(mirror, quarters, scale, right, down).noise(noise)
    assert torch.equal(moved.flatten().sort()[0], noise.flatten().sort()[0])


def test_videos_are_moved_frame_by_frame():
    video, move = random(1, 4, 3, 6, 8), Move(True, 1, 0.5, 0.25, 0)
    assert torch.equal(move.picture(video)[:, :, 1], move.picture(video[:, :, 1]))


def test_a_recorded_run_is_scaled_without_a_ghost_of_its_old_size(a_run):
    """What is not noise at the top is its picture, scaled: nothing of the picture in the size it had."""
    layout, path_of = a_run
    scaled = MovedLayout(layout, Move(scale=0.5))
    path = path_of(scaled)
    sigma = torch.tensor(0.9)
    rest = path.at(sigma, 0) - Move(scale=0.5).picture(layout.latents[-1])
    torch.testing.assert_close(rest, 0.9 * layout.start_noise())


def test_what_was_kept_of_a_layout_is_not_said_of_it_moved(a_run):
    layout, _ = a_run
    assert MovedLayout(layout, Move(mirror=True)).kept is None


@pytest.fixture
def a_run():
    """A recorded layout and `path_of(layout)`: its path, for a model of its kind."""
    latents = random(6, 1, 4, 8, 8).float()
    latents[-1, ..., 2:4, 2:4] += 9
    sigmas = torch.linspace(1, 0, 6)
    layout = RecordedLayout({"samples": latents[-1]}, sigmas, latents, "SimpleNamespace", [])
    model = SimpleNamespace(latent_format=SimpleNamespace())
    return layout, lambda other: other.path(model, variance_exploding, torch.zeros(1, 4, 8, 8))
