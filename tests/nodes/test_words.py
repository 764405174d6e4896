"""Prompts as tokens, found words, and maps of where they are."""

from dataclasses import replace
from itertools import islice, product
from types import SimpleNamespace

import comfy.ldm.modules.attention
import comfy.sd1_clip
import comfy.sdxl_clip
import comfy.text_encoders.aura_t5
import comfy.text_encoders.pixart_t5
import comfy.text_encoders.qwen_image
import comfy.text_encoders.sa_t5
import comfy.text_encoders.sd2_clip
import comfy.text_encoders.z_image
import pytest
import torch
from safetensors.torch import save_file

from magicmix_core.maps import soft_masks

SETTINGS = {"seed": 5, "steps": 3, "cfg": 1.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}


@pytest.fixture
def table(run, clip):
    return lambda text, encoder=clip: run("PromptTokens", clip=encoder, text=text)[0]


@pytest.fixture
def draw(run, worded, clip):
    def sample(text, rows=1, model=worded, **settings):
        positive, negative = (run("CLIPTextEncode", clip=clip, text=each)[0] for each in (text, ""))
        inputs = {"model": model, "positive": positive, "negative": negative, "latent_image": {"samples": torch.zeros(rows, 4, 8, 8)}}
        return run("KSampler", **inputs, **SETTINGS | settings)[0]

    return sample


@pytest.fixture
def record(run, worded, clip):
    def watch(text, words="", resolution="8"):
        return run("CrossAttnRecord", model=worded, clip=clip, text=text, words=words, resolution=resolution)

    return watch


def text_encoder(tokenizer, cut=0):
    """What is read of a CLIP whose tokenizer this is; its encodings are zeros, without the first `cut` tokens of a template."""

    def encode(tokens):
        return [[torch.zeros(1, sum(map(len, list(tokens.values())[-1])) - cut, 128), {}]]

    return SimpleNamespace(tokenizer=tokenizer, tokenize=tokenizer.tokenize_with_weights, encode_from_tokens_scheduled=encode)


def rows_of(table):
    heading, _, *rows = (line.strip("| ").split(" | ") for line in table.splitlines())
    return [heading, *rows]


def test_tokens_are_listed_with_their_words_and_weights(table):
    lines = rows_of(table("a (wombat:1.3), here"))
    assert lines[0] == ["index", "token", "word", "weight", "chunk"]
    assert ["2", "wom", "wombat", "1.3", "0"] in lines and ["3", "bat", "wombat", "1.3", "0"] in lines
    assert lines[-1] == ["and 70 of padding"]


def test_the_node_shows_the_words_as_running_text(table, caplog):
    with caplog.at_level("INFO"):
        table("a (wombat:1.3), " + "cat " * 80)
    (told,) = [record.message for record in caplog.records]
    assert told.startswith("MagicMix: chunk 0: 1 a; 2 wom + 3 bat = wombat (1.3); 4 ,; 5 cat; ") and "; chunk 1: 78 cat; " in told


def test_long_prompts_go_on_in_the_next_chunk(table):
    lines = rows_of(table("cat " * 80))
    assert ["78", "cat", "cat", "1", "1"] in lines


@pytest.mark.parametrize(
    "node, more", [("CrossAttnReweight", {"words": "lion", "scale": 2.0}), ("CrossAttnRecord", {"words": "lion", "resolution": "16"})]
)
def test_a_prompt_of_a_megabyte_is_refused_at_once(run, worded, clip, node, more):
    with pytest.raises(ValueError, match="text must have at most 50000 letters, got 1000000"):
        run(node, model=worded, clip=clip, text="a lion, " * 125_000, **more)


def test_a_prompt_beyond_all_measure_is_shown_in_part(table, caplog):
    with caplog.at_level("INFO"):
        _, *rows, _, more = rows_of(table("cat " * 12_000))
    assert len(rows) == 10_000 and more == ["and 2320 more"]
    assert [record.message for record in caplog.records][-1].endswith("; and 11000 more")


def test_letters_beyond_ascii_are_readable(table):
    assert "café" in table("a café")


def test_a_letter_of_several_tokens_is_readable(table):
    shown = table("a 東京タワー 🐯 ⠁")
    assert all(f"| {word} | 1 |" in shown for word in ("タワー", "🐯", "⠁"))


@pytest.mark.parametrize(
    "tokenizer",
    [comfy.sd1_clip.SD1Tokenizer, comfy.text_encoders.sd2_clip.SD2Tokenizer, comfy.sdxl_clip.SDXLTokenizer],
    ids=["SD1", "SD2", "SDXL"],
)
def test_every_family_of_text_encoders_is_read(table, tokenizer):
    assert ["2", "tiger", "tiger", "1", "0"] in rows_of(table("a tiger", text_encoder(tokenizer())))


T5 = [
    comfy.text_encoders.sa_t5.SAT5Tokenizer,
    comfy.text_encoders.aura_t5.AuraT5Tokenizer,
    comfy.text_encoders.pixart_t5.PixArtTokenizer,
]


@pytest.mark.parametrize("tokenizer", T5)
def test_words_of_t5_are_told_apart(run, tokenizer):
    text = "a dog on (green:1.2) grass, unbelievably"
    tokens = run("PromptTokens", clip=text_encoder(tokenizer()), text=text)[0]
    words = list(dict.fromkeys((line[2], line[3]) for line in rows_of(tokens)[1:] if line[2:3] not in ([], [""])))
    assert words == [(word, "1.2" if word == "green" else "1") for word in ["a", "dog", "on", "green", "grass", ",", "unbelievably"]]


@pytest.mark.parametrize("tokenizer", T5)
def test_words_of_t5_are_found(run, worded, tokenizer):
    encoder = text_encoder(tokenizer())
    inputs = {"model": worded, "clip": encoder, "text": "a dog on (green:1.2) grass"}
    _, conditioning = run("CrossAttnReweight", **inputs, words="green, grass", scale=3.0)
    assert (conditioning[0][1]["magicmix_steering"][0].scales == 3).sum() == 2
    with pytest.raises(ValueError, match="'cat' is not a word of the prompt; its words are: a, dog, on, green, grass"):
        run("CrossAttnReweight", **inputs, words="cat", scale=3.0)


QWEN = {
    "Z-Image": (comfy.text_encoders.z_image.ZImageTokenizer, 0, 3),
    "Qwen-Image": (comfy.text_encoders.qwen_image.QwenImageTokenizer, 34, 0),
}
"""By model: the tokenizer, how many tokens of its template are cut off, and how many of them are left before the prompt."""


@pytest.mark.parametrize("model", QWEN)
def test_words_in_a_template_are_the_prompts_alone(run, worded, model):
    tokenizer, cut, left = QWEN[model]
    encoder = text_encoder(tokenizer(), cut)
    text = "lion, a red lion\nunbelievably würdig 猫"
    lines = rows_of(run("PromptTokens", clip=encoder, text=text)[0])[1:]
    words = {int(line[0]): line[2] for line in lines if len(line) == 5 and line[2]}
    assert list(dict.fromkeys(words.values())) == ["lion", ",", "a", "red", "unbelievably", "würdig", "猫"] and min(words) == left
    _, conditioning = run("CrossAttnReweight", model=worded, clip=encoder, text=text, words="lion:3, red lion:2", scale=3.0)
    scales = conditioning[0][1]["magicmix_steering"][0].scales
    of = {scale: [words[column] for column in (scales == scale).nonzero().flatten().tolist()] for scale in (2, 3)}
    assert of == {2: ["red", "lion"], 3: ["lion"]}
    with pytest.raises(ValueError, match="'user' is not a word of the prompt; its words are: lion, ,, a, red, unbelievably"):
        run("CrossAttnReweight", model=worded, clip=encoder, text=text, words="user", scale=3.0)


def test_a_checkpoint_without_a_text_encoder_is_refused(run, worded):
    for node, inputs in (("PromptTokens", {}), ("CrossAttnReweight", {"model": worded, "words": "tiger", "scale": 2.0})):
        with pytest.raises(ValueError, match="clip must be a text encoder; where a checkpoint has none"):
            run(node, clip=None, text="a tiger", **inputs)


def test_an_embedding_without_a_name_is_refused(table, tmp_path):
    with pytest.raises(ValueError, match="text must name an embedding behind embedding:"):
        table("a cat embedding:", text_encoder(comfy.sd1_clip.SD1Tokenizer(embedding_directory=str(tmp_path))))


def test_embeddings_are_words_by_their_name(table, tmp_path):
    save_file({"emb_params": torch.randn(2, 768)}, tmp_path / "style.safetensors")
    encoder = text_encoder(comfy.sd1_clip.SD1Tokenizer(embedding_directory=str(tmp_path)))
    lines = rows_of(table("a cat, embedding:style", encoder))
    assert [line[1] for line in lines[4:7]] == [",", "embedding:style", "embedding:style"]


def test_an_embedding_is_found_by_its_name(run, worded, tmp_path):
    save_file({"emb_params": torch.randn(2, 768)}, tmp_path / "style.safetensors")
    encoder = text_encoder(comfy.sd1_clip.SD1Tokenizer(embedding_directory=str(tmp_path)))
    text = "a cat, (embedding:style:1.2) here"
    _, conditioning = run("CrossAttnReweight", model=worded, clip=encoder, text=text, words="embedding:style:-1", scale=1.0)
    scales = conditioning[0][1]["magicmix_steering"][0].scales
    assert (scales != 1).nonzero().flatten().tolist() == [4, 5]


def test_recorded_maps_are_the_explicit_ones(run, worded, draw, record):
    """The mean over heads, layers of 8 x 8 places and steps of softmax(q k / sqrt(d)), its words' columns summed."""
    blocks = [m for m in worded.model.diffusion_model.modules() if isinstance(m, comfy.ldm.modules.attention.BasicTransformerBlock)]
    seen, handles = [], []
    for block in blocks:
        for part in ("to_q", "to_k"):
            handles.append(getattr(block.attn2, part).register_forward_hook(lambda module, inputs, out: seen.append(out)))
    model, recording = record("a teddy bear", "teddy bear, a")
    try:
        draw("a teddy bear", model=model)
    finally:
        for handle in handles:
            handle.remove()
    heads = blocks[0].n_heads
    maps = []
    for q, k in zip(seen[::2], seen[1::2], strict=True):
        if q.shape[1] == 64:
            q, k = (x.unflatten(-1, (heads, -1)).transpose(1, 2).double() for x in (q, k))
            maps.append((q @ k.mT / q.shape[-1] ** 0.5).softmax(-1).mean(1))
    whole = torch.stack(maps).mean(0)
    expected = torch.stack([whole[..., [2, 3]].sum(-1), whole[..., 1]], 1).unflatten(-1, (8, 8))
    assert len(maps) > 3
    torch.testing.assert_close(recording.runs[-1].maps.double(), expected, rtol=1e-5, atol=1e-6)


def test_a_watched_run_is_the_plain_run(draw, record):
    model, _ = record("a lion")
    assert torch.equal(draw("a lion", model=model, cfg=4.0)["samples"], draw("a lion", cfg=4.0)["samples"])


def test_each_picture_has_an_overlay_for_each_word(run, draw, record):
    model, recording = record("a red lion", "red, lion")
    draw("a red lion", rows=2, model=model, cfg=4.0)
    pictures = torch.rand(2, 64, 64, 3)
    overlays = run("CrossAttnMaps", recording=recording, images=pictures, opacity=0.7, legend=False)[0]
    assert overlays.shape == (4, 192, 192, 3)
    with_legend = run("CrossAttnMaps", recording=recording, images=pictures, opacity=0.7, legend=True)[0]
    assert with_legend.shape[1] > 192 and torch.equal(with_legend[:, :192], overlays)
    with pytest.raises(ValueError, match="images must be the pictures of the recorded run, 2; got 1"):
        run("CrossAttnMaps", recording=recording, images=pictures[:1], opacity=0.7, legend=True)


def test_each_overlay_has_the_mask_of_where_its_word_is(run, draw, record):
    model, recording = record("a red lion", "red, lion")
    draw("a red lion", rows=2, model=model, cfg=4.0)
    inputs = {"recording": recording, "images": torch.rand(2, 64, 48, 3), "opacity": 0.7, "legend": False}
    maps = recording.runs[-1].maps.flatten(0, 1)
    for threshold in (0.1, 0.9):
        masks = run("CrossAttnMaps", **inputs, threshold=threshold)[1]
        assert torch.equal(masks, soft_masks(maps, 64, 48, threshold, 0)) and masks.shape == (4, 64, 48)
    assert torch.equal(run("CrossAttnMaps", **inputs, soft_edge=8)[1], soft_masks(maps, 64, 48, 0.3, 8))


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (1, 400, 3, 3), (1, 3, 400, 4), (1, 65, 63, 1)])
def test_pictures_of_any_shape_are_drawn_over(run, draw, record, shape):
    model, recording = record("a lion", "lion")
    draw("a lion", model=model)
    overlay, mask = run("CrossAttnMaps", recording=recording, images=torch.rand(shape), opacity=0.7, legend=True, soft_edge=9)
    assert torch.isfinite(overlay).all() and overlay.shape[-1] == 3
    assert mask.shape == (1, *shape[1:3]) and 0 <= mask.min() <= mask.max() <= 1


def test_pictures_and_maps_that_are_not_finite_are_refused(run, draw, record):
    model, recording = record("a lion", "lion")
    draw("a lion", model=model)
    inputs = {"recording": recording, "opacity": 0.7, "legend": True}
    with pytest.raises(ValueError, match="images must hold finite numbers only, got 12288 of 12288"):
        run("CrossAttnMaps", images=torch.full((1, 64, 64, 3), float("nan")), **inputs)
    recording.runs[-1] = replace(recording.runs[-1], maps=recording.runs[-1].maps * float("nan"))
    with pytest.raises(ValueError, match="recording must hold finite numbers only, got 64 of 64"):
        run("CrossAttnMaps", images=torch.rand(1, 64, 64, 3), **inputs)


def test_a_recording_holds_the_last_run(draw, record):
    model, recording = record("a lion")
    draw("a lion", model=model)
    first = recording.runs[-1].maps
    draw("a lion", rows=2, model=model)
    assert recording.runs[-1].maps.shape[0] == 2
    draw("a lion", model=model)
    assert torch.equal(recording.runs[-1].maps, first)


def test_nothing_recorded_yet_says_so(run, record):
    _, recording = record("a lion")
    with pytest.raises(ValueError, match="no attention map was recorded"):
        run("CrossAttnMaps", recording=recording, images=torch.rand(1, 64, 64, 3), opacity=0.7, legend=True)


def test_more_words_than_can_be_recorded_are_refused(record):
    with pytest.raises(ValueError, match="words must name what to record of so long a text, at most 1000 words; it has 1001"):
        record(" ".join(islice(map("".join, product("abcdefghijk", repeat=3)), 1001)))


def test_another_prompt_is_refused_before_sampling(draw, record):
    model, _ = record("a lion")
    with pytest.raises(ValueError, match="text must be the prompt that is sampled"):
        draw("a tiger", model=model)


def test_the_words_are_where_the_attention_is(run):
    """On the demo model a word's map differs over the picture, and the words' maps from each other."""
    model, clip, _ = run("MagicMixDemoCheckpoint")
    watched, recording = run("CrossAttnRecord", model=model, clip=clip, text="a crown", words="", resolution="8")
    positive, negative = (run("CLIPTextEncode", clip=clip, text=text)[0] for text in ("a crown", ""))
    inputs = {"positive": positive, "negative": negative, "latent_image": {"samples": torch.zeros(1, 4, 16, 16)}}
    run("KSampler", model=watched, **inputs, **SETTINGS | {"steps": 8, "cfg": 4.0})
    maps = recording.runs[-1].maps[0]
    assert recording.words == ["a", "crown"] and maps.amax() > 1.5 * maps.mean()
    assert torch.corrcoef(maps.flatten(1))[0, 1] < 0.95
