"""nu by words: a nu of their own where words of the content are."""

import pytest
import torch
from closeness import assert_close, differs

from magicmix_core.word_nus import strongest

TEXT = "a red lion"


@pytest.fixture
def by_words(run, worded, clip):
    return lambda words, text=TEXT, model=worded: run("MagicMixNuWords", model=model, clip=clip, text=text, nu_words=words)[0]


@pytest.fixture
def mix(run, worded, encode, layout_of, sampling):
    def draw(model=worded, nu=0.5, node="MagicMixKSampler", rows=1, **more):
        layout = layout_of("a dog", {"samples": torch.zeros(rows, 4, 8, 8)})
        inputs = {"model": model, "positive": encode(TEXT), "negative": encode(""), "layout": layout, "nu": nu}
        return run(node, **inputs, **{"k_max": 1.0, "k_min": 0.0} | sampling | more)[0]["samples"]

    return draw


@pytest.fixture
def one_step(run, worded, encode, layout_of):
    """The latent after the first of four steps, which is mixed."""

    def draw(model=worded, nu=0.5):
        layout = layout_of("a dog")
        plain = run("KSamplerSelect", sampler_name="euler")[0]
        sampler = run("MagicMixSampler", sampler=plain, layout=layout, nu=nu, k_max=1.0, k_min=0.0)[0]
        sigmas = run("BasicScheduler", model=model, scheduler="normal", steps=4, denoise=1.0)[0][:2]
        inputs = {"positive": encode(TEXT), "negative": encode(""), "sampler": sampler, "sigmas": sigmas}
        latent = {"samples": torch.zeros(1, 4, 8, 8)}
        return run("SamplerCustom", model=model, add_noise=True, noise_seed=1, cfg=4.0, latent_image=latent, **inputs)[0]["samples"]

    return draw


def test_each_word_has_its_nu_where_it_is(run, by_words, one_step, clip, worded):
    watched, recording = run("CrossAttnRecord", model=worded, clip=clip, text=TEXT, words="lion, red", resolution="8")
    content, layout = one_step(watched, nu=1.0), one_step(nu=0.0)
    there, said = strongest(recording.runs[-1].maps, (0.9, 0.1), 8, 8)
    nu = torch.where(there, said, 0.4)[:, None]
    assert len(nu.unique()) > 1
    assert_close(one_step(by_words("lion:0.9, red:0.1"), nu=0.4), nu * content + (1 - nu) * layout)


def test_the_samplers_own_nu_for_words_changes_nothing(by_words, mix):
    assert torch.equal(mix(by_words("lion:0.3, red:0.3"), nu=0.3), mix(nu=0.3))


def test_it_follows_the_picture_in_a_batch_and_beside_a_map(by_words, mix):
    model = by_words("lion:1, red:0")
    both = mix(model, rows=2)
    assert both.shape[0] == 2 and differs(both[:1], both[1:]) and differs(both, mix(rows=2))
    assert torch.isfinite(mix(model, nu_map=torch.rand(1, 8, 8), restore_variance=True)).all()


def test_a_word_alone_is_all_the_prompts(by_words, mix):
    assert torch.equal(mix(by_words("lion")), mix(by_words("lion:1")))


def test_nu_1_with_a_word_below_still_mixes(by_words, mix):
    assert differs(mix(by_words("lion:0.2"), nu=1.0), mix(nu=1.0))


@pytest.mark.parametrize(
    "words, said",
    [
        ("", "nu_words must be words of the prompt, each with its nu, as in cat:0.9, grass:0.2; got ''"),
        ("lion:1.2", r"nu_words: nu of 'lion' must lie in \[0, 1\], got 1.2"),
        ("lion:nan", r"nu_words: nu of 'lion' must lie in \[0, 1\], got nan"),
        ("cat:0.5", "'cat' is not a word of the prompt; its words are: a, red, lion"),
    ],
)
def test_what_says_no_nu_is_refused(by_words, words, said):
    with pytest.raises(ValueError, match=said):
        by_words(words)


def test_a_sampler_that_mixes_nothing_is_refused(run, by_words, encode, sampling):
    inputs = {"positive": encode(TEXT), "negative": encode(""), "latent_image": {"samples": torch.zeros(1, 4, 8, 8)}, "denoise": 1.0}
    with pytest.raises(ValueError, match="model: nu_words needs the MagicMix Interpolating KSampler or the MagicMix Sampler$"):
        run("KSampler", model=by_words("lion:0.5"), **inputs, **sampling)


def test_another_prompt_than_the_sampled_one_is_refused(by_words, mix):
    with pytest.raises(ValueError, match="no prompt of this run is the one that is watched; the nearest differs from 'cat' on"):
        mix(by_words("cat:0.5", text="a cat"))
