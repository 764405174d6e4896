"""Attention of transformers written out: maps are made, changed in one row and applied, in the network's own layers."""

import sys
from contextlib import contextmanager

ATTENTIONS = ("optimized_attention", "optimized_attention_masked")
LION, SCALE = 2, 3.0
"""The column of the word that is changed, and by how much it is re-weighted."""
T5, LLAMA = 128, 127
"""Columns of a short prompt that HiDream's text encoders have read: T5 once, Llama twice."""
LIONS = [2, 3, T5 + 1, T5 + LLAMA + 1]
"""The word's columns there."""


def maps_of(q, k):
    return (q.double() @ k.double().mT * q.shape[-1] ** -0.5).softmax(-1)


@contextmanager
def attending(monkeypatch, network, explicit):
    """The network's layers attend by `explicit(q, k, v) -> [B, heads, N, d]`."""

    def attention(q, k, v, heads, mask=None, *rest, skip_reshape=False, skip_output_reshape=False, **options):
        if not skip_reshape:
            q, k, v = (tensor.reshape(*tensor.shape[:2], heads, -1).transpose(1, 2) for tensor in (q, k, v))
        out = explicit(q, k, v).to(v)
        return out if skip_output_reshape else out.transpose(1, 2).flatten(2)

    modules = {type(module).__module__ for module in network.modules()}
    with monkeypatch.context() as patch:
        for name in [*modules, "comfy.ldm.flux.math", "comfy.ldm.modules.attention"]:
            for function in ATTENTIONS:
                if hasattr(sys.modules.get(name), function):
                    patch.setattr(sys.modules[name], function, attention)
        yield


def tokens_of(built, length, places):
    """Where the picture stands in a joint attention of so many tokens, and where the tokens of the prompt, mostly 77; None for another one."""
    if built.name == "HiDream":
        return slice(0, places), slice(places, length)
    before = {"Flux2": 512, "ZImage": 96}.get(built.name, 77)
    after = 16 if built.name == "ZImage" else 0  # both are filled up to a multiple of 32
    if length != before + places + after:
        return None
    return slice(before, before + places), slice(435, 512) if built.name == "Flux2" else slice(0, 77)


def places_of(built, empty):
    height, width = empty["samples"].shape[-2:]
    patch = 1 if built.name == "Flux2" else 2
    return height * width // patch**2


def edited_rows(call, front):
    """The rows of the positive prompt, behind `front` rows of a layout."""
    order = call[1]["options"]["cond_or_uncond"]
    return front + order.index(0)


class Explicit:
    """Attention as it is, but what `change` makes of one row's maps and values where the picture looks."""

    def __init__(self, built, empty, row, **change):
        self.built, self.row, self.change = built, row, change
        self.places, self.changed, self.crossed = places_of(built, empty), 0, 0

    def __call__(self, q, k, v):
        out = maps_of(q, k) @ v.double()
        queries, keys = q.shape[2], k.shape[2]
        if queries == keys == self.places:
            return self._apart(out, q, k, v, self.change.get("itself"))
        if queries == self.places:
            self.crossed += 1
            of_a_picture = self.built.name == "WAN21_I2V" and self.crossed % 2  # each block looks at its first picture first
            return out if of_a_picture else self._apart(out, q, k, v, self.change.get("cross"))
        if queries == keys and "joint" in self.change and (tokens := tokens_of(self.built, queries, self.places)):
            picture, text = tokens
            self.changed += 1
            out[self.row, :, picture] = self.change["joint"](q, k, v.double(), self.row, picture, text)
        return out

    def _apart(self, out, q, k, v, change):
        if change is not None:
            self.changed += 1
            out[self.row] = change(q, k, v.double(), self.row)
        return out


def scaled(v, columns, offset=0):
    v = v.clone()
    v[..., [offset + column for column in columns], :] *= SCALE
    return v


def joint_weights(q, k, v, row, picture, text):
    return maps_of(q[row, :, picture], k[row]) @ scaled(v[row], LIONS if text.stop - text.start == T5 + 2 * LLAMA else [LION], text.start)


def cross_weights(q, k, v, row):
    return maps_of(q[row], k[row]) @ scaled(v[row], [LION])


def joint_swap(q, k, v, row, picture, text):
    """The layout's queries and keys of the picture, row 0."""
    keys = k[row].clone()
    keys[:, picture] = k[0, :, picture]
    return maps_of(q[0, :, picture], keys) @ v[row]


def sources_map(q, k, v, row):
    return maps_of(q[0], k[0]) @ v[row]
