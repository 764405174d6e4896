"""How ways of steering meet in attention: on plain tensors in float64, against each prompt's formula alone."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from steerings import DRAWING, ENCODING, MAPPING, SCALES, SIZE, SOURCE, WIDTH, begun, close, edit, features, random
from torch.nn.functional import scaled_dot_product_attention

from magicmix_core.attention import shared_attention
from magicmix_core.kept import KeptLevel
from magicmix_core.map_recording import Recording
from magicmix_core.reweighting import Reweighting
from magicmix_core.steered_attention import cross_attention, self_attention
from magicmix_core.steered_call import Call, Rows
from magicmix_core.steering import Drawing, Layer, PromptOfRun, steered

HEADS, CHANNELS = 2, 8
LAYER = Layer(("output", 1, 0), 0, SIZE, HEADS)
FOLLOWS = torch.tensor([1.0, 1.0, 0.0, 1.0, 0.0], dtype=torch.float64)


def attend(q, k, v):
    q, k, v = (tensor.unflatten(-1, (HEADS, -1)).transpose(1, 2) for tensor in (q, k, v))
    return scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def operands(rows, columns=WIDTH):
    return random(rows, math.prod(SIZE), CHANNELS), random(rows, columns, CHANNELS, seed=1), random(rows, columns, CHANNELS, seed=2)


def prompt(*carried, context=ENCODING, conditional=True):
    return PromptOfRun(context, conditional, carried)


def call_of(prompts, front=1, batch=1, share=0.5, source_rows=slice(0, 1)):
    """A call in which `share` of the denoising is done."""
    needed = [each.needs(lambda _: True) for acting in prompts.values() for each in acting]
    sources = {source: Rows(source_rows) for source in needed if source is not None}
    return Call(1.0, front, batch, lambda until: share < until, prompts, sources)


def cross(call, q, k, v):
    return cross_attention(call, LAYER, q.clone(), k.clone(), v.clone(), attend, attend)


def itself(call, q, k, v, layer=LAYER, **more):
    return self_attention(call, layer, q.clone(), k.clone(), v.clone(), attend, **more)


def test_a_prompts_values_are_scaled_and_no_others():
    q, k, v = operands(3)
    out = cross(call_of({1: begun(Reweighting(ENCODING, SCALES))}, front=0), q, k, v)
    close(out[1:2], attend(q[1:2], k[1:2], v[1:2] * SCALES[:, None]))
    assert torch.equal(out[[0, 2]], attend(q, k, v)[[0, 2]])


def test_an_edit_takes_its_sources_rows_and_maps_its_own_values():
    q, k, v = operands(4)
    out = cross(call_of({0: begun(edit())}, front=1), q, k, v)
    close(out[1:2], attend(q[:1], k[:1], MAPPING @ v[1:2]))
    assert torch.equal(out[[0, 2, 3]], attend(q, k, v)[[0, 2, 3]])


def test_columns_that_the_source_does_not_govern_keep_their_own_map():
    q, k, v = operands(3)
    out = cross(call_of({1: begun(edit(follows=FOLLOWS))}, front=1), q, k, v)
    close(out[2:3], attend(q[:1], k[:1], (MAPPING * FOLLOWS) @ v[2:3]) + attend(q[2:3], k[2:3], v[2:3] * (1 - FOLLOWS)[:, None]))


@pytest.mark.parametrize("swapped", [False, True], ids=["edit first", "scales first"])
def test_scales_and_an_edit_join_in_any_order(swapped):
    q, k, v = operands(3)
    ways = begun(edit(), Reweighting(ENCODING, SCALES))
    out = cross(call_of({0: ways[::-1] if swapped else ways}), q, k, v)
    close(out[1:2], attend(q[:1], k[:1], MAPPING @ (v[1:2] * SCALES[:, None])))


def test_one_layout_serves_a_batch_and_as_many_serve_row_by_row():
    q, k, v = operands(4)
    one = cross(call_of({0: begun(edit())}, front=1, batch=3), q, k, v)
    close(one[1:], attend(q[:1].repeat(3, 1, 1), k[:1].repeat(3, 1, 1), MAPPING @ v[1:]))
    many = cross(call_of({0: begun(edit())}, front=2, batch=2, source_rows=slice(0, 2)), q, k, v)
    close(many[2:], attend(q[:2], k[:2], MAPPING @ v[2:]))


def test_contexts_that_are_repeated_to_one_width_change_nothing():
    q, k, v = operands(3)
    call = call_of({0: begun(edit(), Reweighting(ENCODING, SCALES))})
    close(cross(call, q, k.repeat(1, 2, 1), v.repeat(1, 2, 1)), cross(call, q, k, v))


@pytest.mark.parametrize("width", [3, 7, 2 * WIDTH])
def test_a_source_of_another_length_is_attended_to_for_the_edited_rows_alone(width):
    q, k, v = operands(4)
    source_q, source_k = random(1, math.prod(SIZE), CHANNELS, seed=3), random(1, width, CHANNELS, seed=4)
    tensors = {("cross", LAYER.place, "q"): source_q, ("cross", LAYER.place, "k"): source_k}
    mapping = random(width, WIDTH, seed=5)
    call = replace(call_of({0: begun(edit(mapping=mapping))}, front=0, batch=2), sources={SOURCE: KeptLevel(tensors)})
    out = cross(call, q, k, v)
    close(out[:2], attend(source_q.expand(2, -1, -1), source_k.expand(2, -1, -1), mapping @ v[:2]))
    assert torch.equal(out[2:], attend(q, k, v)[2:])


def test_an_edit_of_an_appended_prompt_acts_on_its_columns_only():
    context = torch.cat([torch.zeros(1, 3, 4), ENCODING], 1)
    q, k, v = operands(2, columns=8)
    way = Reweighting(ENCODING, SCALES)
    assert way.starts(prompt(context=context)) == [3]
    out = cross(call_of({0: [way.begin(3, 8, DRAWING)]}, front=1), q, k, v)
    close(out[1:], attend(q[1:], k[1:], v[1:] * torch.cat([torch.ones(3), SCALES])[:, None]))


def test_maps_are_watched_as_edited_and_without_scales():
    q, k, v = operands(2)
    recording = Recording(ENCODING, ["a", "b"], [[1], [2, 3]], 6, [])
    drawing = Drawing(SIZE, [0, 1])
    cross(call_of({0: begun(Reweighting(ENCODING, SCALES), recording, edit(), drawing=drawing)}), q, k, v)
    heads_apart = (tensor[:1].unflatten(-1, (HEADS, -1)).transpose(1, 2) for tensor in (q, k))
    maps = (next(heads_apart) @ next(heads_apart).mT / (CHANNELS / HEADS) ** 0.5).softmax(-1).mean(1) @ MAPPING
    expected = torch.stack([maps[..., 1], maps[..., 2] + maps[..., 3]], 1).unflatten(-1, SIZE)
    torch.testing.assert_close(drawing.maps(recording).mean(6), expected.float())


@pytest.mark.parametrize(
    "more", [{}, {"batch": 2}, {"front": 2, "batch": 2, "source_rows": slice(0, 2)}], ids=["one", "batch", "row by row"]
)
@pytest.mark.parametrize("times", [1, 2], ids=["", "repeated context"])
def test_all_of_a_places_attention_is_there_where_new_words_make_room(more, times):
    q, k, v = operands(4)
    mapping = MAPPING.clone()
    mapping[2] = 0  # a word that is gone
    recording, drawing = Recording(ENCODING, ["all", "new"], [list(range(WIDTH)), [2, 4]], 6, []), Drawing(SIZE, [0, 1])
    ways = begun(edit(mapping=mapping, follows=FOLLOWS, make_room=True), Reweighting(ENCODING, SCALES), recording, drawing=drawing)
    cross(call_of({0: ways}, **more), q, *(tensor.repeat(1, times, 1) for tensor in (k, v)))
    whole, new = drawing.maps(recording).mean(6).unbind(1)
    torch.testing.assert_close(whole, torch.ones_like(whole))
    assert (new > 0).all() and (new < 1).all()


def test_rows_beside_the_ones_that_make_room_stay():
    q, k, v = operands(4)
    out = cross(call_of({1: begun(edit(follows=FOLLOWS, make_room=True))}), q, k, v)
    assert torch.equal(out[[0, 1, 3]], attend(q, k, v)[[0, 1, 3]])
    (followed, sums), (kept, taken) = (
        [attend(q[row], k[row], columns @ values) for values in (v[2:3], torch.ones_like(v[:1]))]
        for row, columns in ((slice(0, 1), MAPPING * FOLLOWS), (slice(2, 3), torch.diag(1 - FOLLOWS)))
    )
    close(out[2:3], followed * (1 - taken) / sums + kept)


def test_nothing_is_watched_in_layers_of_another_size():
    recording, drawing = Recording(ENCODING, ["a"], [[1]], 1, []), Drawing((8, 8), [0, 1])
    cross(call_of({0: begun(recording, drawing=drawing)}), *operands(2))
    assert drawing.maps(recording).empty


def test_self_attention_is_the_sources_while_it_lasts_and_where_there_are_few_places():
    q, k, v = operands(3, columns=math.prod(SIZE))
    close(itself(call_of({0: begun(edit(itself=0.6))}), q, k, v)[1:2], attend(q[:1], k[:1], v[1:2]))
    assert torch.equal(itself(call_of({0: begun(edit(itself=0.4))}), q, k, v), attend(q, k, v))
    large = Layer(LAYER.place, 0, (17, 16), HEADS)
    assert torch.equal(itself(call_of({0: begun(edit())}), q, k, v, large), attend(q, k, v))


def test_every_prompt_follows_a_layout_in_chosen_blocks():
    q, k, v = operands(3, columns=math.prod(SIZE))
    call = call_of({0: begun(features()), 1: begun(features())})
    call = Call(1.0, 1, 1, call.before, dict.fromkeys((0, 1), call.prompts[0]), call.sources)
    close(itself(call, q, k, v), attend(q[:1].repeat(3, 1, 1), k[:1].repeat(3, 1, 1), v))
    assert torch.equal(itself(call, q, k, v, Layer(("output", 0, 0), 0, SIZE, HEADS)), attend(q, k, v))
    assert set(call.features(("output", 1))) == {0, 1} and not call.features(("output", 2)) and not call.features(("input", 1))


def test_a_map_that_all_rows_share_is_made_once():
    q, k, v = operands(3, columns=math.prod(SIZE))
    acting = begun(features())
    call, made = call_of({0: acting, 1: acting}), []

    def shared(q, k, v):
        made.append((len(q), len(v)))
        return shared_attention(q, k, v, HEADS)

    close(itself(call, q, k, v, attend_shared=shared), itself(call, q, k, v))
    assert made == [(1, 3)]


@pytest.mark.parametrize(
    ("prompts", "front"),
    [({0: begun(features())}, 1), ({0: begun(edit(itself=0.4)), 1: begun(edit(itself=0.4))}, 1), ({0: begun(edit()), 1: begun(edit())}, 2)],
    ids=["a prompt keeps its own", "none is edited", "another source has rows too"],
)
def test_no_map_is_shared_otherwise(prompts, front):
    q, k, v = operands(2 + front, columns=math.prod(SIZE))
    call = call_of(prompts, front)
    close(itself(call, q, k, v, attend_shared=lambda *_: 1 / 0), itself(call, q, k, v))


def test_scales_of_one_and_steps_of_zero_do_not_act():
    off = (Reweighting(ENCODING, torch.ones(WIDTH)), edit(0.0, 0.0), features(attention_steps=0.0, feature_steps=0.0))
    assert not any(each.acts(lambda share: share > 0) for each in begun(*off))


def test_the_conditionings_own_edit_counts_and_else_the_newest():
    older, newer = edit(), edit()
    first = [way for way, _ in steered(prompt(older), [older, newer], DRAWING)]
    assert first == [older]
    context = torch.cat([ENCODING[:, :1], ENCODING], 1)
    assert [way for way, _ in steered(prompt(context=context), [older, newer], DRAWING)] == [newer]


def test_all_scales_of_a_prompt_count_whichever_it_carries():
    mine, other, foreign = Reweighting(ENCODING, SCALES), Reweighting(ENCODING, SCALES), Reweighting(ENCODING + 1, SCALES)
    assert [way for way, _ in steered(prompt(mine), [foreign, other, mine], DRAWING)] == [mine, other]


def test_an_unconditional_prompt_and_one_that_carries_nothing_are_not_edited():
    ways = [edit(), Reweighting(ENCODING, SCALES)]
    assert steered(prompt(*ways, conditional=False), ways, DRAWING) == [] == steered(prompt(), ways, DRAWING)


def test_features_are_for_every_prompt_and_recordings_wherever_the_encoding_stands():
    following, recording = features(), Recording(ENCODING, ["a"], [[1]], 16, [])
    assert [way for way, _ in steered(prompt(conditional=False), [following, recording], DRAWING)] == [following]
    twice = torch.cat([ENCODING, ENCODING], 1)
    assert recording.starts(prompt(context=twice)) == [0, WIDTH]


def test_a_way_of_steering_is_itself_in_a_copy_of_what_carries_it():
    ways = (edit(), Reweighting(ENCODING, SCALES), features(), Recording(ENCODING, ["a"], [[1]], 16, []))
    assert copy.deepcopy({"ways": ways})["ways"] == ways


def test_rows_that_are_cut_into_tiles_keep_their_sources():
    call = call_of({0: begun(edit())}, front=1).tiled(2)
    assert call.rows(0) == slice(2, 4) and call.sources[SOURCE] == Rows(slice(0, 2))


def test_a_column_ends_to_be_governed_when_its_share_is_done():
    """word_steps: each column has a share of its own."""
    q, k, v = operands(2)
    follows = torch.tensor([1.0, 1.0, 0.4, 1.0, 1.0], dtype=torch.float64)
    way = begun(edit(follows=follows, mapping=torch.eye(WIDTH, dtype=torch.float64)))
    early, late = (cross(call_of({0: way}, share=share), q, k, v)[1:] for share in (0.3, 0.5))
    close(early, attend(q[:1], k[:1], v[1:]))
    governed = (follows == 1).double()[:, None]
    close(late, attend(q[:1], k[:1], v[1:] * governed) + attend(q[1:], k[1:], v[1:] * (1 - governed)))
