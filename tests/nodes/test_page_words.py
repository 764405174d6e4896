"""What the page is told of a prompt's words is what the nodes find in it."""

import sys

import comfy.sd1_clip
import comfy.sdxl_clip
import comfy.text_encoders.sd2_clip
import pytest
from comfy_server import PACK
from hypothesis import given
from hypothesis import strategies as st

TEXTS = [
    "a photo of a Tiger, with stripes",
    "(tiger:1.5) and ((cat)) \\(1994\\)",
    "a wombat's birthday-cake in 4k, ultra—wide… 🐯 red/blue",
    "un éléphant à Zürich İstanbul",
    "一只老虎 and 虎 東京タワー",
    "HDR!!! :) a:b 16:9 it's don't",
    "cat\ncat  cat,dog\t, and,",
    "",
    " ".join(f"word{number} tiger" for number in range(60)),  # more than one chunk
]
WRITING = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Z"]) | st.sampled_from("  aAé,.:()虎'-🐯"), max_size=40)


@pytest.fixture(scope="module")
def loaded(run):
    """`loaded("nodes.host.prompts")`: a module of the pack as the host has loaded it."""
    return lambda name: sys.modules[f"{str(PACK).replace('.', '_x_')}.{name}"]


@pytest.fixture(scope="module")
def page(loaded):
    return loaded("nodes.host.page_routes")


@pytest.fixture(scope="module")
def page_clip(page):
    return page.PageTokenizer()


class Reader:
    """A text encoder's tokenizer alone."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def tokenize(self, text, **options):
        return self.tokenizer.tokenize_with_weights(text, **options)


@pytest.fixture(scope="module", params=["demo", "SDXL", "SDXL refiner", "SD2"])
def any_clip(request, clip):
    return {
        "demo": lambda: clip,
        "SDXL": lambda: Reader(comfy.sdxl_clip.SDXLTokenizer()),
        "SDXL refiner": lambda: Reader(comfy.sd1_clip.SD1Tokenizer(clip_name="g", tokenizer=comfy.sdxl_clip.SDXLClipGTokenizer)),
        "SD2": lambda: Reader(comfy.text_encoders.sd2_clip.SD2Tokenizer()),
    }[request.param]()


@pytest.fixture
def words_in(loaded, any_clip):
    """`words_in(text)`: how the nodes find words in a prompt: (its words, `find(name)` their places)."""
    tokenize, finder = loaded("nodes.host.prompts").tokenize, loaded("magicmix_core.prompts").WordFinder

    def read(text):
        found = finder(tokenize(any_clip, text))
        return found.words, lambda name: found.places(tokenize(any_clip, name))

    return read


@pytest.fixture(scope="module")
def demo_words(loaded, clip):
    tokenize, finder = loaded("nodes.host.prompts").tokenize, loaded("magicmix_core.prompts").WordFinder

    def read(text):
        found = finder(tokenize(clip, text))
        return found.words, lambda name: found.places(tokenize(clip, name))

    return read


def names(page, clip, text):
    return page.words_answer(clip, {"texts": [text]})["words"][0]


@pytest.mark.parametrize("text", TEXTS)
def test_chips_are_the_words_that_the_node_finds(page, page_clip, words_in, text):
    words, find = words_in(text)
    shown = names(page, page_clip, text)
    assert len(shown) == len(words)
    for place, (name, word) in enumerate(zip(shown, words, strict=True)):
        if name is None:
            assert not any(map(str.isalpha, word.text)), word  # a sign, or a number, which a field takes for a scale
        else:
            assert place in find(name)


def test_they_are_written_as_the_prompt_has_them(page, page_clip):
    assert names(page, page_clip, "A Tiger, (STRIPES:1.2)") == ["A", "Tiger", None, "STRIPES"]


@given(WRITING)
def test_any_text_has_as_many_chips_as_words_and_each_is_found(page, page_clip, demo_words, text):
    words, find = demo_words(text)
    shown = names(page, page_clip, text)
    assert len(shown) == len(words)
    assert all(place in find(name) for place, name in enumerate(shown) if name is not None)


def test_words_of_a_field_are_where_the_node_finds_them(page, page_clip):
    asked = {"texts": ["a cat, a coffee machine"], "fields": {"words": "coffee machine:2, cat, dog:1", "word_steps": ":3"}}
    answer = page.words_answer(page_clip, asked)
    assert answer["fields"]["words"]["places"] == {"coffee machine": [[4, 5]], "cat": [[1]], "dog": [[]]}
    assert "word_steps must be written as word or word:number" in answer["fields"]["word_steps"]["error"]


@pytest.mark.parametrize(
    ("source", "target", "edit", "follows", "kind"),
    [
        ("a dog", "a cat", "auto", [[0], [1]], "swap"),
        ("a photo of a wombat riding", "a photo of a big cat riding", "auto", [[0], [1], [2], [3], [4], [4], [5]], "swap"),
        ("a house", "a house in the snow", "auto", [[0], [1], [], [], []], "refine"),
        ("a dog", "a cat", "refine", [[0], []], "refine"),
    ],
)
def test_each_word_follows_the_one_it_is_aligned_with(page, page_clip, source, target, edit, follows, kind):
    answer = page.words_answer(page_clip, {"texts": [source, target], "edit": edit})
    assert (answer["follows"], answer["edit"]) == (follows, kind)


def test_a_swap_that_cannot_be_says_what_the_node_says(page, page_clip, edit):
    answer = page.words_answer(page_clip, {"texts": ["a dog", "a big dog"], "edit": "swap"})
    with pytest.raises(ValueError) as refused:
        edit("a dog", "a big dog", edit="swap")
    assert answer["error"] == str(refused.value)


def test_an_embedding_is_one_word_whose_file_is_not_looked_for(page, page_clip):
    answer = page.words_answer(
        page_clip, {"texts": ["a (embedding:style:1.2), cat embedding:other"], "fields": {"words": "embedding:style, cat"}}
    )
    assert answer["words"] == [["a", "embedding:style", None, "cat", "embedding:other"]]
    assert answer["fields"]["words"]["places"] == {"embedding:style": [[1]], "cat": [[3]]}


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"texts": "a cat"},
        {"texts": ["a"] * 3},
        {"texts": [1]},
        {"texts": ["a"], "fields": {"text": "a"}},
        {"texts": ["a"], "fields": {"words": None}},
        {"texts": ["a" * 5001]},
        {"texts": ["a", "b"]},
        {"texts": ["a", "b"], "edit": "other"},
    ],
)
def test_what_is_asked_wrongly_is_refused(page, page_clip, asked):
    with pytest.raises(ValueError, match="must"):
        page.words_answer(page_clip, asked)
