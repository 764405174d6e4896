import pytest
import torch

from magicmix_core.similarity import colour_distance, structure_distance


@pytest.fixture
def disc():
    """A disc on paper, somewhere, in two colours: `disc(x, ink, paper)`."""

    def draw(x=32, ink=(0.9, 0.1, 0.1), paper=(1.0, 1.0, 1.0)):
        rows, columns = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
        inside = ((rows - 32) ** 2 + (columns - x) ** 2 < 18**2).float()
        ink, paper = (torch.tensor(colour).reshape(3, 1, 1) for colour in (ink, paper))
        return (inside * ink + (1 - inside) * paper)[None]

    return draw


@pytest.mark.parametrize("distance", [structure_distance, colour_distance])
def test_a_picture_is_at_no_distance_from_itself_and_distances_are_symmetric(distance, disc):
    a, b = disc(), disc(44, (0.1, 0.1, 0.9))
    assert float(distance(a, a)) == pytest.approx(0, abs=1e-5)
    assert float(distance(a, b)) == pytest.approx(float(distance(b, a)), abs=1e-6)
    assert 0 < float(distance(a, b)) <= 1


def test_structure_does_not_mind_colours_but_places(disc):
    recoloured, moved = disc(32, (0.1, 0.2, 0.8), (0.9, 0.9, 0.5)), disc(50)
    assert float(structure_distance(disc(), recoloured)) < 0.01
    assert float(structure_distance(disc(), moved)) > 0.2


def test_colours_do_not_mind_places(disc):
    assert float(colour_distance(disc(), disc(40))) < 0.01
    assert float(colour_distance(disc(), disc(32, (0.1, 0.9, 0.1)))) == pytest.approx(float((disc()[0, 1] < 0.5).float().mean()))


def test_unrelated_noise_is_half_way(disc):
    a, b = (torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(n)) for n in (1, 2))
    assert structure_distance(a, b).mean() == pytest.approx(0.5, abs=0.05)


def test_each_row_is_measured_by_itself(disc):
    a, b = torch.cat([disc(), disc(20)]), torch.cat([disc(40), disc(20, (0.1, 0.1, 0.9))])
    for distance in (structure_distance, colour_distance):
        rows = [float(distance(a[n : n + 1], b[n : n + 1])) for n in (0, 1)]
        assert distance(a, b).tolist() == pytest.approx(rows, abs=1e-5)


def test_flat_pictures_have_no_structure_to_differ_in():
    assert torch.isfinite(structure_distance(torch.ones(1, 3, 64, 64), torch.zeros(1, 3, 64, 64))).all()
