"""Scenes composed by code: the truth that comes with a picture is the truth of that picture."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools" / "demo_model"))

from scenes import backgrounds, phrases, places
from scenes.colours import COLOURS, main_hue, recolour, to_hsv, to_rgb
from scenes.composing import Composer, Plan, Thing
from scenes.drawings import Drawings
from scenes.settings import read_scenes
from settings import read_concepts, read_uncounted

NAMES = {names[0]: names for names in read_concepts(more=False).values()}
MANY = 60


def disc(hue):
    """A one-coloured drawing with a transparent rim, uint8 [96, 96, 4]."""
    down, across = np.mgrid[-48:48, -48:48]
    alpha = (np.hypot(down, across) < 40) * 255
    return np.concatenate([np.broadcast_to(to_rgb(hue, 0.8, 0.8) * 255, (96, 96, 3)), alpha[..., None]], -1).astype(np.uint8)


@pytest.fixture(scope="module")
def composer() -> Composer:
    hues = np.linspace(0, 1, len(NAMES), endpoint=False)
    return Composer(Drawings({(name, "noto"): disc(hue) for name, hue in zip(NAMES, hues, strict=True)}), read_scenes())


def draw(composer, number, **which):
    return composer.draw(np.random.default_rng([1, number]), **which)


def test_enough_things_are_alone_and_in_scenes(composer):
    assert len(composer.drawings.names) >= 60
    assert len(composer.things["in_scenes"]) >= 30
    assert set(composer.places) == set(places.PLACES)


def test_everything_listed_is_known():
    for names in read_scenes()["things"].values():
        assert set(names) <= set(NAMES)


def test_the_same_seed_draws_the_same_bits(composer):
    for number in range(20):
        first, again = draw(composer, number), draw(composer, number)
        assert first.plan == again.plan
        assert np.array_equal(first.pixels, again.pixels)
        assert np.array_equal(first.masks, again.masks)


def test_masks_cover_what_differs_from_the_background(composer):
    for number in range(MANY):
        scene = draw(composer, number)
        changed = np.abs(scene.pixels.astype(int) - scene.bare).max(-1) > 0.6 * 255
        assert not (changed & ~scene.masks.any(0)).any()
        untouched = (scene.pixels == scene.bare).all(-1)
        assert (untouched & scene.masks.any(0)).mean() < 0.01
        assert scene.masks.sum(0).max() <= 1


def test_boxes_hold_what_is_seen_of_a_thing(composer):
    for number in range(MANY):
        scene = draw(composer, number)
        for mask, (left, top, right, bottom) in zip(scene.masks, scene.boxes, strict=True):
            assert mask.sum() > 40
            outside = mask.copy()
            outside[top:bottom, left:right] = False
            assert not outside.any()


def middles(scene):
    return np.stack([(scene.boxes[:, 0] + scene.boxes[:, 2]) / 2, (scene.boxes[:, 1] + scene.boxes[:, 3]) / 2], 1)


@pytest.mark.parametrize("place", [place for place in places.PLACES if place != "alone"])
def test_things_are_where_the_place_says(composer, place):
    for number in range(20):
        across, down = middles(draw(composer, number, place=place)).T
        if place in ("left", "row", "crowd"):
            assert (np.diff(across[: 2 if place == "crowd" else None]) > 16).all()
        if place in ("above", "on"):
            assert down[0] < down[1]
        if place == "under":
            assert down[0] > down[1]
        if place == "wearing":
            assert down[1] < down[0]
        if place == "crowd":
            assert down[2] < down[:2].min()


def test_held_out_arrangements_are_never_drawn_for_training(composer):
    one_in = composer.config["held_out_one_in"]
    seen, unseen = set(), set()
    for number in range(250):
        for kept, found in ((False, seen), (True, unseen)):
            place = list(composer.places)[1 + number % (len(composer.places) - 1)]
            plan = composer.plan(np.random.default_rng([2, number]), held_out=kept, place=place)
            names = [thing.name for thing in plan.things]
            assert places.held_out(place, names, one_in) == kept
            found |= set(places.pairs(place, names)) if not kept else {(place, *names)}
    assert not seen & unseen


def test_captions_name_the_things_the_colours_and_the_style(composer):
    uncounted = read_uncounted()
    for number in range(MANY):
        rng = np.random.default_rng([3, number])
        plan = composer.plan(rng)
        pieces = phrases.caption(plan, NAMES, uncounted, rng, styled=True)
        assert sorted(thing for _, thing in pieces if thing is not None) == list(range(len(plan.things)))
        for words, number_of in pieces:
            if number_of is not None:
                thing = plan.things[number_of]
                assert any(name in words for name in NAMES[thing.name])
                assert thing.colour in words
        text = phrases.text(pieces)
        assert plan.style in text
        assert backgrounds.kinds(plan.background)[1] in text
        assert "{" not in text and "  " not in text
        assert set(phrases.split(text)) <= set(phrases.vocabulary(NAMES, composer.drawings.styles))


def test_plain_captions_read_as_people_write_them():
    cat, car = Thing("cat"), Thing("car", "red")
    cases = {
        Plan((cat,), "alone"): "a cat",
        Plan((cat, car), "left"): "a cat to the left of a red car",
        Plan((cat, Thing("palm tree")), "under", "grass"): "a cat under a palm tree on green grass",
        Plan((Thing("lion"), Thing("crown")), "wearing", "plain:blue"): "a lion wearing a crown on a blue background",
    }
    for plan, text in cases.items():
        assert phrases.text(phrases.caption(plan, NAMES, set())) == text


def test_an_edited_plan_keeps_the_rest_of_its_picture(composer):
    plan = Plan((Thing("cat"), Thing("apple")), "left", "grass")
    scene, edited = (
        composer.render(each, np.random.default_rng(5)) for each in (plan, Plan((Thing("cat"), Thing("car")), "left", "grass"))
    )
    kept = ~(scene.masks[1] | edited.masks[1])
    left = slice(None), slice(0, 60)
    assert np.array_equal(scene.pixels[left], edited.pixels[left])
    assert (scene.pixels == edited.pixels).all(-1)[kept].mean() > 0.97  # all but soft edges


@pytest.mark.parametrize("colour", COLOURS)
def test_recoloured_drawings_have_the_named_hue(colour):
    turned = recolour(disc(0.3), colour)
    assert np.array_equal(turned[..., 3], disc(0.3)[..., 3])
    hue, share = main_hue(turned[..., :3] / 255, turned[..., 3] > 127)
    assert share > 0.9
    assert abs((hue - COLOURS[colour][0] + 0.5) % 1 - 0.5) < 0.05


def test_hsv_and_back_are_the_same_colours():
    colours = np.random.default_rng(0).random((500, 3))
    assert np.abs(to_rgb(*to_hsv(colours)) - colours).max() < 1e-6


def test_other_sizes_are_the_same_scenes(composer):
    size = composer.config["size"] * 3 // 2
    larger = Composer(composer.drawings, composer.config | {"size": size})
    scene, large = (each.draw(np.random.default_rng(9), place="crowd") for each in (composer, larger))
    assert large.plan == scene.plan
    assert large.pixels.shape == (size, size, 3)
    assert np.abs(large.boxes / 1.5 - scene.boxes).max() <= 2
