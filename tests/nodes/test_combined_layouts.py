"""Layouts made of layouts, in every way of steering."""

from dataclasses import replace

import pytest
import torch
from closeness import assert_close, differs

NAN = float("nan")


@pytest.fixture
def blend(run):
    return lambda first, second, share=0.5, mask=None: run("MagicMixLayoutBlend", first=first, second=second, share=share, mask=mask)[0]


@pytest.fixture
def move(run):
    def transform(layout, mirror=False, turn="none", scale=1.0, right=0.0, down=0.0):
        return run("MagicMixLayoutTransform", layout=layout, mirror=mirror, turn=turn, scale=scale, right=right, down=down)[0]

    return transform


@pytest.fixture
def picture(run):
    def noised(seed=3, size=(8, 8), rows=1, noise="shared", **more):
        samples = torch.randn(rows, 4, *size, generator=torch.Generator().manual_seed(seed))
        return run("MagicMixLayoutNoise", latent={"samples": samples} | more, seed=seed, noise=noise)[0]

    return noised


@pytest.fixture
def mix(run, worded, encode, sampling):
    """`mix(layout, text, model, ...)`: what the MagicMix sampler draws over the whole way, without mixing unless it is said."""

    def draw(layout, text="a lion", model=worded, positive=None, **settings):
        inputs = {"model": model, "positive": positive or encode(text), "negative": encode(""), "layout": layout}
        window = {"nu": 1.0, "k_max": 1.0, "k_min": 0.0}
        return run("MagicMixKSampler", **inputs | sampling | window | settings)[0]["samples"]

    return draw


HALVES = torch.cat([torch.zeros(1, 8, 4), torch.ones(1, 8, 4)], 2)


class TestBlend:
    def test_shares_of_0_and_1_are_the_layouts_themselves(self, blend, picture, layout):
        second = picture()
        assert blend(layout, second, 0.0) is layout and blend(layout, second, 0.5, torch.zeros(1, 8, 8)) is layout
        kept = replace(layout, kept=object())
        assert blend(second, kept, 1.0) is kept

    @pytest.mark.parametrize("share", [0.0, 1.0])
    def test_a_batch_of_masks_of_0_and_1_is_them_too(self, blend, picture, layout, mix, share):
        blended = blend(layout, picture(), 0.5, torch.tensor([share, 0.5]).reshape(2, 1, 1).expand(2, 8, 8))
        alone = picture() if share else layout
        assert_close(mix(blended, nu=0.5)[:1], mix(alone, nu=0.5))

    def test_left_is_the_first_and_right_the_second(self, blend, picture, layout, mix):
        """With nothing but the layout left of it, the picture is theirs, each where it is meant to be."""
        second = picture()
        drawn = mix(blend(layout, second, mask=HALVES), nu=0.0)
        assert_close(drawn[..., :4], layout.samples[..., :4])
        assert_close(drawn[..., 4:], second.samples[..., 4:])

    def test_a_mix_over_a_blend_is_neither_ones_mix(self, blend, picture, layout, mix):
        second = picture()
        drawn = mix(blend(layout, second), nu=0.5, k_max=0.6, k_min=0.3)
        assert all(differs(drawn, mix(alone, nu=0.5, k_max=0.6, k_min=0.3)) for alone in (layout, second))

    @pytest.mark.parametrize("noise", ["shared", "independent"])
    def test_pictures_of_two_sizes_are_made_to_agree(self, blend, picture, mix, noise):
        blended = blend(picture(noise=noise), picture(4, (12, 16), noise=noise))
        assert blended.samples.shape == (1, 4, 8, 8) and torch.isfinite(mix(blended, nu=0.5)).all()

    def test_a_picture_takes_the_size_of_a_recorded_layout(self, blend, picture, layout):
        assert blend(picture(4, (12, 16)), layout).samples.shape == layout.samples.shape

    def test_a_picture_blends_with_a_layout_of_a_video_model(self, blend, picture, layout):
        video = replace(layout, latent={"samples": torch.zeros(1, 4, 1, 8, 8)}, latents=layout.latents.unsqueeze(3))
        assert blend(video, picture()).samples.shape == blend(picture(), video).samples.shape == (1, 4, 1, 8, 8)

    def test_noise_masks_are_blended_too(self, blend, picture):
        first = picture(noise_mask=torch.zeros(1, 16, 16))
        latent = blend(first, picture(4), mask=HALVES).latent
        assert latent["noise_mask"].shape == (1, 1, 16, 16)
        assert (latent["noise_mask"][..., :7] == 0).all() and (latent["noise_mask"][..., 9:] == 1).all()

    def test_what_does_not_go_together_is_refused(self, blend, picture, layout, layout_of):
        other = layout_of("a dog", {"samples": torch.zeros(1, 4, 8, 16)})
        with pytest.raises(ValueError, match="second must be of the first layout's size, 4 x 8 x 8; got 4 x 8 x 16: record both"):
            blend(layout, other)
        with pytest.raises(ValueError, match="must hold 1 picture each or as many as one another, got 2, 3 and 1"):
            blend(picture(rows=2), picture(rows=3))
        with pytest.raises(ValueError, match=r"mask must lie in \[0, 1\], got nan"):
            blend(layout, picture(), mask=torch.full((1, 8, 8), NAN))

    def test_one_prompt_drawn_twice_can_be_edited(self, blend, layout_of, edit, follow, mix):
        first, second = layout_of("a dog"), layout_of("a dog", seed=6)
        blended, halves = blend(first, second, mask=HALVES), torch.cat([first.latents[..., :4], second.latents[..., 4:]], -1)
        by_hand = replace(first, latents=halves, latent={"samples": blended.samples})
        drawn = [mix(each, model=model, positive=positive) for each in (blended, by_hand) for model, positive in [edit(layout=each)]]
        assert_close(*drawn)
        assert_close(mix(blended, model=follow(blended)), mix(by_hand, model=follow(by_hand)))

    def test_two_prompts_cannot(self, blend, layout_of, edit, follow):
        for second in (layout_of("a cat"), layout_of("a dog", steps=5)):
            blended = blend(layout_of("a dog"), second)
            for way in (edit, follow):
                with pytest.raises(ValueError, match="unless prompt, steps and scheduler of both are the same"):
                    way(layout=blended)

    def test_a_blend_made_again_is_the_same_layout(self, blend, layout, picture):
        """As local blend asks of the sampler's layout and the edit's."""
        again = [blend(replace(layout), picture(), mask=HALVES.clone()) for _ in range(2)]
        assert again[0].same(again[1])
        assert not again[0].same(blend(layout, picture(4), mask=HALVES)) and not again[0].same(blend(layout, picture()))
        assert not again[0].same(layout) and not layout.same(again[0])


class TestTransform:
    def test_nothing_done_is_the_layout_itself(self, move, layout):
        assert move(layout) is layout

    @pytest.mark.parametrize(
        ("settings", "moved"),
        [
            ({"mirror": True}, lambda x: x.flip(-1)),
            ({"turn": "left"}, lambda x: x.rot90(1, (-2, -1))),
            ({"turn": "around"}, lambda x: x.flip(-1, -2)),
            ({"turn": "right"}, lambda x: x.rot90(-1, (-2, -1))),
        ],
    )
    def test_a_recorded_layout_is_its_recorded_latents_moved(self, move, layout, mix, follow, settings, moved):
        """Mixed, followed by features, and the picture."""
        by_hand = replace(layout, latent={"samples": moved(layout.samples)}, latents=moved(layout.latents))
        there = move(layout, **settings)
        assert torch.equal(there.samples, by_hand.samples)
        assert_close(mix(there, nu=0.5), mix(by_hand, nu=0.5))
        assert_close(mix(there, model=follow(there)), mix(by_hand, model=follow(by_hand)))

    def test_an_edit_over_a_mirrored_layout(self, move, layout, edit, mix):
        by_hand = replace(layout, latent={"samples": layout.samples.flip(-1)}, latents=layout.latents.flip(-1))
        there = move(layout, mirror=True)
        drawn = [mix(each, model=model, positive=positive) for each in (there, by_hand) for model, positive in [edit(layout=each)]]
        assert_close(*drawn)

    def test_a_picture_put_elsewhere(self, move, picture, mix):
        layout = picture()
        there = move(layout, scale=0.5, right=0.25, down=-0.25)
        assert_close(mix(there, nu=0.0), there.samples)
        assert torch.equal(there.samples[..., 6:, :2], there.samples[..., 6:7, :1].expand(1, 4, 2, 2))

    def test_a_turned_format(self, move, picture, mix):
        layout = picture(size=(8, 16), noise_mask=torch.ones(1, 8, 16))
        there = move(layout, turn="left")
        assert there.samples.shape == (1, 4, 16, 8) and there.latent["noise_mask"].shape == (1, 16, 8)
        assert mix(there, nu=0.5).shape == (1, 4, 16, 8)

    def test_moved_there_and_back_mixes_as_ever(self, move, picture, mix):
        layout = picture()
        there = move(move(move(layout, turn="left"), mirror=True), mirror=True)
        assert_close(mix(move(there, turn="right"), nu=0.5), mix(layout, nu=0.5))

    def test_moved_layouts_blend(self, move, blend, layout, mix):
        """A thing and its mirror image in one picture."""
        both = blend(layout, move(layout, mirror=True), mask=HALVES)
        drawn = mix(both, nu=0.0)
        assert_close(drawn[..., 4:], layout.samples.flip(-1)[..., 4:])

    def test_sound_is_refused(self, run, move):
        (layout,) = run("MagicMixLayoutNoise", latent={"samples": torch.randn(1, 64, 32)}, seed=1, noise="shared")
        with pytest.raises(ValueError, match="layout must be of pictures or videos to be moved, got one of sound"):
            move(layout, mirror=True)
