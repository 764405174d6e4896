from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magicmix_core.strength import MixSettings, settings_of

strengths = st.floats(0, 1)
usual = st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)).map(
    lambda drawn: MixSettings(drawn[0], max(drawn[1:]), min(drawn[1:]))
)
PAPER = MixSettings(nu=0.7, k_max=0.6, k_min=0.3)


def test_the_middle_is_what_suits_the_model():
    assert settings_of(0.5, PAPER) == PAPER


@given(usual)
def test_the_ends_are_the_layout_and_a_plain_run(usual):
    assert settings_of(0, usual) == MixSettings(usual.nu, 0, 0)
    assert settings_of(1, usual) == MixSettings(1, 1, 1)


@given(usual, strengths)
def test_it_stays_a_mix(usual, strength):
    mix = settings_of(strength, usual)
    assert all(0 <= value <= 1 for value in astuple(mix)) and mix.k_min <= mix.k_max


@given(usual, strengths, strengths)
def test_more_strength_is_never_more_of_the_layout(usual, one, other):
    less, more = (astuple(settings_of(strength, usual)) for strength in sorted((one, other)))
    assert all(low <= high or low == pytest.approx(high) for low, high in zip(less, more, strict=True))
