"""HiDream, which attends to what two text encoders make of a prompt, and to the second one's twice: all of it is steered, or nothing."""

import copy

import comfy.text_encoders.hidream
import pytest
import torch
from built_families import SETTINGS, difference, of
from explicit_attention import LIONS, LLAMA, T5
from small_text_encoders import t5_and_llama

TEXT = "a lion on grass"


@pytest.fixture
def clip():
    return t5_and_llama()


@pytest.fixture
def reweight(run, clip):
    def make(model, text=TEXT, words="lion", scale=3.0, clip=clip):
        return run("CrossAttnReweight", model=model, clip=clip, text=text, words=words, scale=scale)

    return make


@pytest.fixture
def drawn(sample, encode, built):
    return lambda model, positive: sample(model, positive, built.latent(), encode(""), **SETTINGS)


def steered_by(conditioning):
    return conditioning[0][1]["magicmix_steering"][0]


class TestWords:
    def test_are_shown_as_both_encoders_read_them(self, run, clip):
        lines = run("PromptTokens", clip=clip, text=TEXT)[0].splitlines()[2:]
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")]
        words = [(int(index), word) for index, _, word, *_ in rows if word]
        begins = {word: [index for index, other in words if other == word] for _, word in words}
        assert begins["lion"] == LIONS and begins["grass"] == [5, T5 + 3, T5 + LLAMA + 3]

    @of(["HiDream"])
    def test_are_scaled_as_both_encoders_read_them(self, reweight, built):
        scales = steered_by(reweight(built.model)[1]).scales
        assert len(scales) == T5 + 2 * LLAMA and (scales != 1).nonzero().flatten().tolist() == LIONS

    @of(["HiDream"])
    def test_that_only_one_encoder_has_room_for_are_found_in_it(self, reweight, built):
        text = "a dog on grass, " * 60 + "a lion"
        scales = steered_by(reweight(built.model, text)[1]).scales
        beside = (len(scales) - T5) // 2
        assert beside > LLAMA and (scales != 1).nonzero().flatten().tolist() == [T5 + beside - 1, T5 + 2 * beside - 1]

    @of(["HiDream"])
    def test_of_one_encoder_take_none_of_the_others_places(self, run, clip, encode, built):
        layout, _ = run(
            "MagicMixLayoutFromPrompt",
            model=built.model,
            positive=encode("dog"),
            negative=encode(""),
            latent={"samples": torch.zeros_like(built.latent()["samples"])},
            **SETTINGS,
        )
        texts = {"source_text": "dog", "target_text": "red lion", "edit": "swap", "cross_steps": 1.0, "self_steps": 0.0}
        _, positive = run("PromptToPrompt", model=built.model, clip=clip, layout=layout, **texts)
        mapping = steered_by(positive).mapping
        blocks = torch.block_diag(*(torch.ones(count, count) for count in (T5, LLAMA, LLAMA)))
        assert mapping.shape == blocks.shape and not bool(mapping[blocks == 0].any())


@of(["HiDream"])
class TestRefusals:
    def refused(self, built, drawn, match, *edited):
        before = built.calls
        with pytest.raises(ValueError, match=match):
            drawn(*edited)
        assert built.calls == before

    @pytest.mark.parametrize("name", ["t5xxl", "llama"])
    def test_an_encoding_of_other_tokens(self, run, reweight, built, name):
        def encode(tokens):
            return t5_and_llama().encode_from_tokens_scheduled(tokens | {name: [tokens[name][0][:-1]]})

        short = copy.copy(t5_and_llama())
        short.encode_from_tokens_scheduled = encode
        for call in (reweight, lambda model, clip: run("PromptTokens", clip=clip, text=TEXT)):
            with pytest.raises(ValueError, match="clip must give an encoding with a row for each token of T5 and of Llama, got 12"):
                call(built.model, clip=short)

    @pytest.mark.parametrize("name", ["t5xxl", "llama"])
    def test_a_text_encoder_that_was_left_out(self, reweight, built, name):
        """As the host gives zeros in its place."""
        less = copy.copy(t5_and_llama())
        less.cond_stage_model = torch.nn.Module()
        setattr(less.cond_stage_model, name, None)
        with pytest.raises(ValueError, match="clip must give an encoding with a row for each token of T5 and of Llama"):
            reweight(built.model, clip=less)

    def test_a_prompt_to_which_another_was_appended(self, run, reweight, encode, built, drawn):
        """The host appends what the first encoder has read only."""
        model, positive = reweight(built.model)
        (joined,) = run("ConditioningConcat", conditioning_to=positive, conditioning_from=encode("a dog"))
        self.refused(built, drawn, "positive must be the prompt as it was encoded where a model reads it by several", model, joined)

    def test_concepts(self, run, clip, encode, built, drawn):
        model, _ = run("CrossAttnRecord", model=built.model, clip=clip, text=TEXT, words="", resolution="8", concepts="dog, grass")
        self.refused(built, drawn, "model: HiDream reads a prompt by several text encoders, so maps of concepts", model, encode(TEXT))

    def test_a_prompt_of_another_models_text_encoder(self, run, encode, built, drawn):
        latent = {"samples": torch.zeros_like(built.latent()["samples"])}
        layout, _ = run(
            "MagicMixLayoutFromPrompt", model=built.model, positive=encode(TEXT), negative=encode(""), latent=latent, **SETTINGS
        )
        (model,) = run("PlugAndPlayFeatures", model=built.model, layout=layout, attention_steps=1.0, feature_steps=0.0)
        context, more = encode(TEXT)[0]
        without = [[context, {name: value for name, value in more.items() if name != "conditioning_llama3"}]]
        self.refused(built, drawn, "model: HiDream's prompts must be encoded by its own text encoder", model, without)

    def test_a_picture_that_is_to_be_changed(self, reweight, built, drawn):
        """It stands among the places of the one that is drawn."""
        model, positive = reweight(built.model)
        given = [[context, more | {"concat_latent_image": built.latent()["samples"]}] for context, more in positive]
        self.refused(built, drawn, "model: HiDream draws beside a picture that it is to change here", model, given)


@of(["HiDream"])
def test_prompts_are_told_apart_by_what_either_encoder_has_read(run, reweight, encode, built, drawn):
    """Beyond the first encoder's room they are the same to it."""
    text = "a dog on grass, " * 60
    model, _ = run("CrossAttnRecord", model=built.model, clip=t5_and_llama(), text=text + "a lion", words="lion", resolution="8")
    assert torch.equal(encode(text + "a lion")[0][0], encode(text + "a tiger")[0][0])
    with pytest.raises(ValueError, match="the nearest differs from 'lion' on"):
        drawn(model, encode(text + "a tiger"))
    assert difference(drawn(model, encode(text + "a lion")), drawn(built.model, encode(text + "a lion"))) == 0.0


def test_the_hosts_tokenizer_gives_t5s_first_tokens_only():
    tokens = comfy.text_encoders.hidream.HiDreamTokenizer().tokenize_with_weights("a dog on grass, " * 60)
    assert [len(chunk) for chunk in tokens["t5xxl"]] == [T5]
