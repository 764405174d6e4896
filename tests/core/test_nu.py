import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from magicmix_core.nu import SCHEDULES, Nu, NuCurve, drawn_curve, make_nu, read_curve

LATENT = torch.zeros(2, 4, 6, 6)


def scalar(nu):
    return torch.full((1, 1, 1, 1), nu)


@pytest.mark.parametrize("nu", [-0.01, 1.01, float("nan"), float("inf")])
def test_nu_outside_0_to_1_is_refused(nu):
    with pytest.raises(ValueError, match=r"nu must lie in \[0, 1\], got"):
        Nu(scalar(nu))


def test_an_unknown_schedule_is_refused_and_the_known_ones_listed():
    with pytest.raises(ValueError, match="nu_schedule must be one of constant, linear, cosine, got 'quadratic'"):
        Nu(scalar(0.5), "quadratic")


@given(nu=st.floats(0, 1, width=32), progress=st.floats(0, 1, exclude_max=True))
def test_constant_stays_at_nu(nu, progress):
    assert Nu(scalar(nu)).at(progress, LATENT) == torch.tensor(nu)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@given(nu=st.floats(0, 1, width=32))
def test_fading_schedules_rise_from_nu_to_one(schedule, nu):
    values = [float(Nu(scalar(nu), schedule).at(n / 20, LATENT)) for n in range(21)]
    assert values[0] == nu and values[-1] == pytest.approx(1) and values == sorted(values)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("nu", [0.0, 0.1, 0.3, 0.7, 1.0])
def test_a_map_of_one_value_is_that_value_to_the_bit(schedule, nu):
    for progress in (0.0, 0.3, 0.9):
        spread = Nu(torch.full((2, 1, 6, 6), nu), schedule).at(progress, LATENT)
        assert torch.equal(spread, Nu(scalar(nu), schedule).at(progress, LATENT).expand_as(spread))


def test_nu_fits_latents_of_pictures_and_of_films():
    nu = Nu(torch.rand(2, 1, 6, 5))
    assert nu.at(0, torch.zeros(2, 4, 6, 5)).shape == (2, 1, 6, 5)
    assert nu.at(0, torch.zeros(2, 16, 3, 6, 5)).shape == (2, 1, 1, 6, 5)


def test_only_ones_everywhere_keep_the_content():
    assert Nu(scalar(1.0)).keeps_content
    almost = torch.ones(1, 1, 4, 4)
    almost[0, 0, 2, 2] = 0.99
    assert not Nu(almost).keeps_content


def test_a_curve_goes_straight_between_its_points_and_on_beyond_them():
    curve = read_curve("0.6:0.5, 0.2 : 1\n1:0")
    assert [curve.at(k) for k in (1.0, 0.8, 0.6, 0.4, 0.2, 0.0)] == pytest.approx([0, 0.25, 0.5, 0.75, 1, 1])


@given(nu=st.floats(0, 1, width=32))
def test_a_curve_of_one_point_is_that_nu_to_the_bit(nu):
    stepped = NuCurve(((0.5, nu),)).over([0.6, 0.5, 0.4])
    assert all(torch.equal(stepped.at(i / 3, LATENT), Nu(scalar(nu)).at(i / 3, LATENT)) for i in range(3))
    assert stepped.keeps_content == (nu == 1)


def test_each_mixed_step_has_the_nu_of_its_level():
    levels = [0.9 - i / 100 for i in range(49)]
    curve = read_curve("1:0.1, 0:0.9")
    stepped = curve.over(levels)
    assert [float(stepped.at(i / 49, LATENT)) for i in range(49)] == pytest.approx([curve.at(level) for level in levels])


@pytest.mark.parametrize(
    "text, said",
    [
        ("0.6", "nu_curve must be points as in 1:0.9, 0.6:0.5 .noise level : nu., got '0.6'"),
        ("0.6:half", "nu_curve must be points"),
        ("0.6:0.5:1", "nu_curve must be points"),
        ("2:0.5", r"nu_curve: a noise level must lie in \[0, 1\], got 2"),
        ("0.5:nan", r"nu_curve: nu must lie in \[0, 1\], got nan"),
        ("0.5:0.1, 0.50:0.2", "nu_curve must say one nu for a noise level, got two for 0.5"),
        (" , ", "nu_curve must hold a point at least"),
    ],
)
def test_what_is_no_curve_is_refused(text, said):
    with pytest.raises(ValueError, match=said):
        read_curve(text)


def test_a_curve_stands_alone():
    with pytest.raises(ValueError, match="nu_curve must be empty where nu_map is connected"):
        make_nu(0.5, "constant", torch.ones(1, 4, 4), torch.Size((4, 4)), "0.5:0.5")
    with pytest.raises(ValueError, match="nu_curve must be empty where nu_schedule is linear"):
        make_nu(0.5, "linear", None, torch.Size((4, 4)), "0.5:0.5")
    assert isinstance(make_nu(0.5, "linear", None, torch.Size((4, 4)), " \n"), Nu)


def test_a_drawn_curve_says_nu_at_each_noise_level_as_it_is_drawn():
    points = [(0.0, 1.0), (1.0, 0.25)]
    stepped = drawn_curve(points, lambda level: 1 - 0.75 * level**2).over([1.0, 0.5, 0.0])
    assert [float(stepped.at(i / 3, LATENT)) for i in range(3)] == [0.25, 0.8125, 1.0]
    beyond = drawn_curve(points, lambda level: 1 + 1e-12)
    assert beyond.at(0.5) == 1 and not beyond.keeps_content
    assert drawn_curve([(0.0, 1.0), (1.0, 1.0)], lambda level: 1.0).keeps_content


@pytest.mark.parametrize(
    "points, said",
    [
        ([], "nu_curve_drawn must have a point at least, got none"),
        ([(0, 0), (2, 1)], r"nu_curve_drawn: a noise level .x. must lie in \[0, 1\], got 2"),
        ([(0, float("nan")), (1, 1)], r"nu_curve_drawn: nu .y. must lie in \[0, 1\], got nan"),
    ],
)
def test_a_curve_drawn_outside_of_0_to_1_is_refused(points, said):
    with pytest.raises(ValueError, match=said):
        drawn_curve(points, lambda level: 0.5)


def test_a_drawn_curve_stands_alone():
    drawn, size = drawn_curve([(0.0, 0.5)], lambda level: 0.5), torch.Size((4, 4))
    assert make_nu(0.9, "constant", None, size, " ", drawn) is drawn
    with pytest.raises(ValueError, match="nu_curve must be empty where nu_curve_drawn is connected"):
        make_nu(0.5, "constant", None, size, "0.5:0.5", drawn)
    with pytest.raises(ValueError, match="nu_curve_drawn must be left unconnected where nu_map is connected"):
        make_nu(0.5, "constant", torch.ones(1, 4, 4), size, "", drawn)
    with pytest.raises(ValueError, match="nu_curve_drawn must be left unconnected where nu_schedule is linear"):
        make_nu(0.5, "linear", None, size, "", drawn)
