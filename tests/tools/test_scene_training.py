"""The start of the scene model's training: larger networks that compute what smaller ones did, and words that look at their things."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools" / "demo_model"))

from attending import Watched
from autoencoder import Autoencoder
from growing import copies, grow_autoencoder, grow_text_encoder, joined, widened, widths
from scenes.settings import read_scenes
from settings import read_config
from text_encoder import END, START, TextEncoder


@pytest.fixture(autouse=True)
def same_numbers():
    torch.manual_seed(0)


def test_doubled_channels_compute_the_same():
    first, second = nn.Conv2d(6, 8, 3, padding=1), nn.Conv2d(8, 4, 3, padding=1)
    wide, narrow = nn.Conv2d(6, 16, 3, padding=1), nn.Conv2d(16, 4, 3, padding=1)
    norm, wider = nn.GroupNorm(4, 8), nn.GroupNorm(4, 16)
    norm.weight.data.uniform_()
    for ours, theirs in ((wide, first), (narrow, second), (wider, norm)):
        for name, target in ours.named_parameters():
            target.data.copy_(widened(dict(theirs.named_parameters())[name].data, target.shape))
    x = torch.randn(2, 6, 5, 5)
    assert (second(norm(first(x))) - narrow(wider(wide(x)))).abs().max() < 1e-5


def test_joined_maps_are_read_part_by_part():
    reads, wide = nn.Conv2d(3 + 5, 4, 1, bias=False), nn.Conv2d(6 + 5, 4, 1, bias=False)
    wide.weight.data.copy_(widened(reads.weight.data, wide.weight.shape, joined((3, 5), (6, 5))))
    below, skip = torch.randn(1, 3, 2, 2), torch.randn(1, 5, 2, 2)
    doubled = torch.cat([below[:, copies(3, 6)], skip], 1)
    assert (reads(torch.cat([below, skip], 1)) - wide(doubled)).abs().max() < 1e-6


def test_output_blocks_read_the_maps_that_the_host_joins():
    below, skips = widths({"model_channels": 10, "channel_mult": [1, 2, 1], "num_res_blocks": [2, 2, 2]})
    assert below == [10, 10, 10, 10, 20, 20, 20, 10, 10]
    assert skips == [10, 10, 20, 20, 20, 10, 10, 10, 10]


def test_the_first_autoencoder_grows_into_one_that_does_the_same():
    description = read_config()["autoencoder"]["model"]
    first, larger = Autoencoder(**description), Autoencoder(**read_scenes()["autoencoder"]["model"])
    grow_autoencoder(larger, first.state_dict(), description)
    pixels = torch.rand(2, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        assert (larger.decode(larger.encode(pixels)) - first.decode(first.encode(pixels))).abs().max() < 0.02


def test_the_first_text_encoder_grows_into_one_that_says_the_same():
    tokens = [START, END, *range(20)]
    first, larger = TextEncoder(tokens, 128, 4, 2, 256), TextEncoder([*tokens, 27], 128, 4, 4, 256)
    grow_text_encoder(larger, first.state_dict())
    rows = torch.tensor([[tokens.index(START), 3, 5, *[tokens.index(END)] * 74]])
    with torch.no_grad():
        assert (first(rows) - larger(rows)).abs().max() < 1e-5


def look(where):
    """Queries and keys of 64 pixels and 77 words: word 1 is looked at in the pixels `where`."""
    queries, keys = torch.zeros(1, 64, 8), torch.zeros(1, 77, 8)
    queries[0, where, 0] = 30
    keys[0, 1, 0] = 30
    return queries, keys, torch.randn(1, 77, 8)


@pytest.mark.parametrize(("where", "loss"), [(slice(0, 8), 0.0), (slice(8, 64), 1.0)])
def test_attention_outside_of_a_things_mask_is_lost(where, loss):
    watched, naming, masks = Watched(torch.device("cpu")), torch.zeros(1, 3, 77), torch.zeros(1, 3, 16, 16)
    naming[0, 0, 1] = 1
    masks[0, 0, :2] = 1
    watched(None, *look(where), heads=1)
    assert watched.loss(naming, masks).item() == pytest.approx(loss, abs=0.1)
    assert not watched.maps


def test_where_no_word_names_a_thing_nothing_is_lost():
    watched = Watched(torch.device("cpu"))
    watched(None, *look(slice(0, 8)), heads=1)
    assert watched.loss(torch.zeros(1, 3, 77), torch.zeros(1, 3, 16, 16)).item() == 0.0
