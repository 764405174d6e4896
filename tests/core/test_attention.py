"""Every edit against the same edit of explicit attention maps, in float64 to 1e-10."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from magicmix_core.attention import Indicators, edit_operands, scale_columns, share_beside, shared_attention, word_maps
from magicmix_core.maps import MapStore, blend_mask, nearest_level, soft_masks

HEADS, SIZE, PLACES, WIDTH = 3, 5, 12, 7


def heads_apart(x):
    return x.unflatten(-1, (HEADS, SIZE)).transpose(1, 2)


def attend_apart(q, k, v):
    return scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def attend(q, k, v):
    return attend_apart(*map(heads_apart, (q, k, v)))


def explicit_map(q, k):
    """M `[B, heads, N, W]`."""
    return (heads_apart(q) @ heads_apart(k).mT / SIZE**0.5).softmax(-1)


def apply_map(m, v):
    return (m @ heads_apart(v)).transpose(1, 2).flatten(2)


@pytest.fixture
def draw():
    generator = torch.Generator().manual_seed(0)
    return lambda length: torch.randn(2, length, HEADS * SIZE, generator=generator, dtype=torch.float64)


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_scaling_values_is_scaling_the_maps_columns(draw):
    q, k, v = draw(PLACES), draw(WIDTH), draw(WIDTH)
    s = torch.linspace(-2, 2, WIDTH, dtype=torch.float64)
    close(attend(q, k, scale_columns(v, s)), apply_map(explicit_map(q, k) * s, v))


def edited(q, k, v, source, mapping, own=None):
    return sum(attend(*operands) for operands in edit_operands(q, k, v, source, mapping, own))


def test_a_whole_map_is_replaced_by_one_attention(draw):
    """Word swap, arXiv 2208.01626, section 3.2: M* = M_source P."""
    q, k, v, source = draw(PLACES), draw(WIDTH), draw(WIDTH), (draw(PLACES), draw(9))
    mapping = torch.rand(9, WIDTH, dtype=torch.float64)
    assert len(edit_operands(q, k, v, source, mapping, None)) == 1
    close(edited(q, k, v, source, mapping), apply_map(explicit_map(*source) @ mapping, v))


def test_governed_columns_follow_the_source_and_the_others_stay(draw):
    """Refinement, section 3.2: the source's map for shared tokens, the target's own for new ones."""
    q, k, v, source = draw(PLACES), draw(WIDTH), draw(WIDTH), (draw(PLACES), draw(9))
    mapping, governed = torch.rand(9, WIDTH, dtype=torch.float64), torch.tensor([1, 0, 1, 1, 0, 0, 1], dtype=torch.float64)
    expected = torch.where(governed.bool(), explicit_map(*source) @ mapping, explicit_map(q, k))
    close(edited(q, k, v, source, mapping * governed, 1 - governed), apply_map(expected, v))


ALL = torch.ones(9, dtype=torch.float64)
SOME = torch.tensor([1, 0, 1, 1, 0, 0, 1, 1, 1], dtype=torch.float64)


@pytest.mark.parametrize("governed", [SOME[:WIDTH], ALL[:WIDTH]], ids=["new words", "no new words"])
@pytest.mark.parametrize("mapped", [SOME, ALL], ids=["words gone", "no words gone"])
@pytest.mark.parametrize("apart", [False, True], ids=["heads side by side", "heads apart"])
def test_rows_sum_to_1_where_new_words_make_room(draw, governed, mapped, apart):
    q, k, v, source = draw(PLACES), draw(WIDTH), draw(WIDTH), (draw(PLACES), draw(9))
    mapping = torch.rand(9, WIDTH, dtype=torch.float64) * governed
    mapping *= (mapped / mapping.sum(1))[:, None]
    own, sums = (None if bool(each.all()) else each for each in (governed, mapped))
    own = None if own is None else 1 - own
    shaped, kernel = (heads_apart, attend_apart) if apart else (lambda x: x, attend)
    share = share_beside(kernel, tuple(map(shaped, (q, k, v))), tuple(map(shaped, source)), own, sums)
    followed, kept = explicit_map(*source) @ mapping, explicit_map(q, k) * (1 - governed)
    expected = followed * ((1 - kept.sum(-1, keepdim=True)) / followed.sum(-1, keepdim=True)) + kept
    close(expected.sum(-1), torch.ones_like(expected[..., 0]))
    first, *rest = (attend(*operands) for operands in edit_operands(q, k, v, source, mapping, own))
    close(sum(rest, first if share is None else first * share), apply_map(expected, v))
    assert (share is None) == (own is None and sums is None)


def test_the_source_as_its_own_target_changes_nothing(draw):
    q, k, v = draw(PLACES), draw(WIDTH), draw(WIDTH)
    identity = torch.eye(WIDTH, dtype=torch.float64)
    assert torch.equal(edited(q, k, v, (q, k), identity), attend(q, k, v))
    assert torch.equal(edited(q, k, v, (q, k), None), attend(q, k, v))


@pytest.mark.parametrize("most", [1, 1 << 24], ids=["in pieces", "whole"])
def test_one_map_serves_the_values_of_many_rows(draw, monkeypatch, most):
    monkeypatch.setattr("magicmix_core.attention.MOST_MAP_NUMBERS", most)
    q, k, v = draw(PLACES), draw(PLACES), torch.cat([draw(PLACES), draw(PLACES), draw(PLACES)])
    close(shared_attention(q, k, v, HEADS), attend(q.repeat(3, 1, 1), k.repeat(3, 1, 1), v))
    close(shared_attention(q[:1], k[:1], v, HEADS), attend(q[:1].repeat(6, 1, 1), k[:1].repeat(6, 1, 1), v))


@pytest.mark.parametrize("groups", [[[2]], [[0], [1, 4], [6]], [[n % WIDTH] for n in range(12)]], ids=["one", "several", "more than fit"])
def test_word_maps_are_the_columns_of_explicit_maps(draw, groups):
    q, k = draw(PLACES), draw(WIDTH)
    maps = word_maps(lambda v: attend(q, k, v.expand(2, -1, -1)), Indicators(groups), WIDTH, HEADS, q)
    whole = explicit_map(q, k).mean(1)
    close(maps, torch.stack([whole[..., group].sum(-1) for group in groups], 1))


def test_maps_are_averaged_and_laid_out_at_the_nearest_resolution():
    store = MapStore()
    store.add(torch.zeros(1, 1, 2, 3))
    store.add(torch.arange(6.0).reshape(1, 1, 2, 3))
    store.add(torch.ones(1, 1, 4, 6))
    assert store.mean(5)[0, 0].tolist() == [[0, 0.5, 1], [1.5, 2, 2.5]]
    assert store.mean(200).shape == (1, 1, 4, 6)


def test_an_empty_store_says_so():
    with pytest.raises(ValueError, match="no attention map was recorded"):
        MapStore().mean(16)


def test_the_level_nearest_to_the_wanted_number_of_places_is_taken():
    assert [nearest_level((0, 1, 2), 64, 64, places) for places in (10_000, 4096, 1024, 300, 1)] == [0, 0, 1, 2, 2]
    assert nearest_level((0, 1), 80, 80, 400) == 1


def test_odd_sizes_are_halved_as_the_unet_halves_them():
    assert nearest_level((0, 1, 2), 13, 9, 7 * 5) == 1 and nearest_level((0, 1, 2), 13, 9, 4 * 3) == 2


def test_a_mask_is_where_a_map_is_strong():
    maps = torch.zeros(2, 8, 8)
    maps[0, :, 4:] = 0.5
    hard = soft_masks(maps, 64, 32, 0.3, 0)
    assert hard.shape == (2, 64, 32) and set(hard[0].unique().tolist()) == {0.0, 1.0}
    assert (hard[0, :, :14] == 0).all() and (hard[0, :, 18:] == 1).all() and (hard[1] == 0).all()
    assert torch.equal(soft_masks(maps * 1e-6, 64, 32, 0.3, 0), hard)


@pytest.mark.parametrize("soft_edge", [1, 2, 7, 8, 200])
def test_a_soft_edge_fades_over_so_many_pixels_and_stays_where_it_is(soft_edge):
    maps = torch.zeros(1, 16, 16)
    maps[..., 8:] = 1.0
    row = soft_masks(maps, 64, 256, 0.5, soft_edge)[0, 30]
    assert (row.diff() >= 0).all() and float(row.sum()) == pytest.approx(128, abs=1)
    assert abs(int(((row > 0) & (row < 1)).sum()) - soft_edge) <= 2


def test_a_blend_mask_is_where_any_word_is():
    maps = torch.zeros(1, 2, 8, 8)
    maps[0, 0, 1, 1], maps[0, 1, 6, 6] = 1.0, 0.01
    mask = blend_mask(maps, 16, 16)
    assert mask.shape == (1, 1, 16, 16) and set(mask.unique().tolist()) == {0, 1}
    assert mask[0, 0, 3, 3] == 1 and mask[0, 0, 12, 12] == 1 and mask[0, 0, 3, 12] == 0
