"""Steered attention over text and picture together, in float64 against maps that are made, changed and applied."""

import pytest
import torch
from steerings import ENCODING, MAPPING, SCALES, SIZE, WIDTH, begun, close, edit, features, random

from magicmix_core import prompt_to_prompt, reweighting
from magicmix_core.map_recording import Recording
from magicmix_core.reweighting import Reweighting
from magicmix_core.steered_attention import joint_attention
from magicmix_core.steered_call import Call, Rows
from magicmix_core.steering import Drawing, Layer

HEADS, SIZE_OF_HEAD, PLACES = 2, 4, 6
LAYER = Layer(("block", 1, 0), 0, SIZE, HEADS)
ORDERS = {
    "text first": (slice(0, WIDTH), slice(WIDTH, WIDTH + PLACES)),
    "picture first": (slice(PLACES, PLACES + WIDTH), slice(0, PLACES)),
    "others about": (slice(1, 1 + WIDTH), slice(WIDTH + 2, WIDTH + 2 + PLACES)),
}


@pytest.fixture(params=ORDERS)
def order(request):
    return ORDERS[request.param]


def tokens(order, rows):
    length = max(part.stop for part in order) + (2 if order == ORDERS["others about"] else 0)
    return [random(rows, HEADS, length, SIZE_OF_HEAD, seed=seed) for seed in range(3)]


def attend(q, k, v, rows=None, queries=None):
    return torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def call_of(prompts, front=1, share=0.5):
    needed = [each.needs(lambda _: True) for acting in prompts.values() for each in acting]
    sources = {source: Rows(slice(0, 1)) for source in needed if source is not None}
    return Call(1.0, front, 1, lambda until: share < until, prompts, sources)


def steered(order, call, q, k, v):
    return joint_attention(call, LAYER, *order, q.clone(), k.clone(), v.clone(), attend)


def expected(order, q, k, v, row, new_q=None, new_k=None, new_v=None):
    """All rows as they are, but in this row the picture's queries, and the keys and values that they see."""
    _, picture = order
    out = attend(q, k, v)
    new_q, new_k, new_v = (own[row] if new is None else new for own, new in ((q, new_q), (k, new_k), (v, new_v)))
    out[row, picture] = attend(new_q[None, :, picture], new_k[None], new_v[None])[0]
    return out


def with_part(tensor, part, new):
    changed = tensor.clone()
    changed[..., part, :] = new
    return changed


def test_words_are_scaled_for_the_pictures_queries_alone(order):
    q, k, v = tokens(order, 2)
    out = steered(order, call_of({1: begun(Reweighting(ENCODING, SCALES))}, front=0), q, k, v)
    scaled = with_part(v[1], order[0], v[1, :, order[0]] * SCALES[:, None])
    close(out, expected(order, q, k, v, 1, new_v=scaled))


def test_or_their_deviations_from_all_words_mean(order, monkeypatch):
    monkeypatch.setattr(reweighting, "JOINT_DEVIATIONS", True)
    q, k, v = tokens(order, 2)
    out = steered(order, call_of({1: begun(Reweighting(ENCODING, SCALES))}, front=0), q, k, v)
    words = v[1, :, order[0]]
    mean = words.mean(1, keepdim=True)
    close(out, expected(order, q, k, v, 1, new_v=with_part(v[1], order[0], mean + (words - mean) * SCALES[:, None])))


def test_an_edit_looks_as_its_source_does_at_its_own_words(order):
    q, k, v = tokens(order, 3)
    out = steered(order, call_of({0: begun(edit(itself=0.4))}), q, k, v)
    close(out, expected(order, q, k, v, 1, new_q=q[0]))


def test_while_self_steps_last_the_places_are_the_sources_too(order):
    q, k, v = tokens(order, 3)
    out = steered(order, call_of({0: begun(edit(itself=0.6))}), q, k, v)
    close(out, expected(order, q, k, v, 1, q[0], with_part(k[1], order[1], k[0, :, order[1]])))


def test_the_sources_words_can_be_taken_too(order, monkeypatch):
    """As in cross-attention: `M_source P` over the words, with the source's map over the places."""
    monkeypatch.setattr(prompt_to_prompt, "JOINT_TEXT_KEYS", True)
    q, k, v = tokens(order, 3)
    out = steered(order, call_of({0: begun(edit(), Reweighting(ENCODING, SCALES))}), q, k, v)
    keys = with_part(with_part(k[1], order[1], k[0, :, order[1]]), order[0], k[0, :, order[0]])
    values = with_part(v[1], order[0], MAPPING @ (v[1, :, order[0]] * SCALES[:, None]))
    close(out, expected(order, q, k, v, 1, q[0], keys, values))


def test_words_that_the_source_does_not_have_keep_their_own_map(order, monkeypatch):
    monkeypatch.setattr(prompt_to_prompt, "JOINT_TEXT_KEYS", True)
    q, k, v = tokens(order, 2)
    follows = torch.tensor([1.0, 1.0, 0.0, 1.0, 1.0], dtype=torch.float64)
    text, picture = order
    out = steered(order, call_of({0: begun(edit(itself=0.4, follows=follows))}), q, k, v)[1, picture]
    governed = with_part(v[1], text, (MAPPING * follows) @ v[1, :, text])
    own = with_part(torch.zeros_like(v[1]), text, v[1, :, text] * (1 - follows)[:, None])
    first = attend(q[:1, :, picture], with_part(k[1], text, k[0, :, text])[None], governed[None])
    close(out, (first + attend(q[1:, :, picture], k[1:], own[None]))[0])


def test_every_prompt_follows_a_layouts_places(order):
    q, k, v = tokens(order, 3)
    following = begun(features(part="block"))
    out = steered(order, call_of({0: following, 1: following}), q, k, v)
    for row in (1, 2):
        places = with_part(k[row], order[1], k[0, :, order[1]])
        close(out[row], expected(order, q, k, v, row, q[0], places)[row])
    close(out[0], attend(q, k, v)[0])


def test_maps_of_words_are_their_share_of_the_whole_map(order):
    q, k, v = tokens(order, 2)
    recording, drawing = Recording(ENCODING, ["a", "b"], [[1], [2, 3]], 6, []), Drawing(SIZE, [0])
    steered(order, call_of({0: begun(Reweighting(ENCODING, SCALES), recording, edit(), drawing=drawing)}), q, k, v)
    keys = with_part(k[1], order[1], k[0, :, order[1]])
    maps = (q[0, :, order[1]] @ keys.mT / SIZE_OF_HEAD**0.5).softmax(-1).mean(0)[:, order[0]]
    wanted = torch.stack([maps[:, 1], maps[:, 2] + maps[:, 3]]).unflatten(-1, SIZE)
    torch.testing.assert_close(drawing.maps(recording).mean(6)[0], wanted.float())


def test_nothing_that_acts_is_the_kernels_own_call(order):
    q, k, v = tokens(order, 2)
    made = []

    def kernel(*operands):
        made.append(operands)
        return attend(*operands)

    joint_attention(call_of({}, front=0), LAYER, *order, q, k, v, kernel)
    assert len(made) == 1 and all(a is b for a, b in zip(made[0], (q, k, v), strict=True))


def test_the_source_as_its_own_target_changes_nothing(order):
    q, k, v = tokens(order, 2)
    q, k, v = (torch.cat([tensor[:1], tensor[:1]]) for tensor in (q, k, v))
    out = steered(order, call_of({0: begun(edit(mapping=torch.eye(WIDTH, dtype=torch.float64)))}), q, k, v)
    assert torch.equal(out[1], out[0])
