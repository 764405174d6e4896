"""Every value that comes to a node is held against the node's own schema, whichever way it came.

The server does so for typed-in values only: what comes over a link may be of any size, NaN, or nothing at all.
"""

from collections.abc import Callable
from functools import wraps
from numbers import Integral, Real
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..magicmix_core.checks import check_choice, check_finite, check_range, shown

COLOURS = (1, 3, 4)


def checked(execute: Callable[..., io.NodeOutput]) -> Callable[..., io.NodeOutput]:
    """A node's `execute` that first raises ValueError, naming the input, for a value that the schema does not allow."""

    @wraps(execute)
    def run(cls, **inputs: Any) -> io.NodeOutput:
        schema = cls.define_schema()
        known = [entry.id for entry in schema.inputs]
        for name in inputs:
            if name not in known:  # the server drops such values, but not such links
                raise ValueError(f"{shown(name)} is no input of this node; it has {', '.join(known) or 'none'}")
        optional = {entry.id for entry in schema.inputs if entry.optional}
        given = {name: value for name, value in inputs.items() if value is not None or name not in optional}
        for entry in schema.inputs:
            if entry.id in given:
                for value in _values(entry.id, given[entry.id]) if schema.is_input_list else [given[entry.id]]:
                    CHECKS[entry.get_io_type()](entry, value)
        return execute(cls, **given)

    return run


def _values(name: str, values: Any) -> list:
    if not isinstance(values, list) or not values:
        raise ValueError(f"{name} must be a list with a value at least, got {shown(values)}")
    return values


def _check(entry: io.Input, value: Any, allowed: bool, what: str) -> None:
    if not allowed:
        raise ValueError(f"{entry.id} must be {what}, got {shown(value)}")


def _check_number(kind: type, what: str) -> Callable[[io.Input, Any], None]:
    def check(entry: io.Input, value: Any) -> None:
        _check(entry, value, isinstance(value, kind) and not isinstance(value, bool), what)
        check_range(entry.id, value, entry.min, entry.max)

    return check


def _check_text(entry: io.Input, value: Any) -> None:
    _check(entry, value, isinstance(value, str), "text")
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError(f"{entry.id} must be whole Unicode characters, got half of one (a lone surrogate)")


def _check_combo(entry: io.Input, value: Any) -> None:
    _check(entry, value, isinstance(value, str), "one of its choices")
    check_choice(entry.id, value, entry.options)


def _check_tensor(name: str, tensor: Any, ranks: range, what: str) -> None:
    """A tensor of one of the `ranks`, with something in it."""
    if not isinstance(tensor, Tensor) or tensor.ndim not in ranks or tensor.numel() == 0 or tensor.is_complex():
        raise ValueError(f"{name} must be {what}, got {shown(tensor)}")


def _check_latent(entry: io.Input, value: Any) -> None:
    _check(entry, value, isinstance(value, dict) and "samples" in value, "a latent")
    samples, mask, numbers = (value.get(key) for key in ("samples", "noise_mask", "batch_index"))
    _check_tensor(entry.id, samples, range(3, 6), "a latent with a picture at least (batch x channels x height x width)")
    if not samples.is_floating_point():
        raise ValueError(f"{entry.id} must hold floating-point numbers, got {samples.dtype}")
    check_finite(entry.id, samples)
    if mask is not None:
        _check_tensor(f"{entry.id}: its noise mask", mask, range(2, 6), "masks (batch x height x width)")
        check_finite(f"{entry.id}: its noise mask", mask)
    if numbers is not None and not (isinstance(numbers, list) and len(numbers) == len(samples) and all(map(_is_index, numbers))):
        raise ValueError(
            f"{entry.id} must number each of its {len(samples)} pictures by a whole number (batch_index), got {shown(numbers)}"
        )


def _is_index(value: Any) -> bool:
    return isinstance(value, Integral) and value >= 0


def _check_image(entry: io.Input, value: Any) -> None:
    what = "pictures (batch x height x width x channels, of which there are 1, 3 or 4)"
    _check_tensor(entry.id, value, range(4, 5), what)
    _check(entry, value, value.shape[-1] in COLOURS, what)
    check_finite(entry.id, value)


def _check_mask(entry: io.Input, value: Any) -> None:
    _check_tensor(entry.id, value, range(2, 5), "masks (batch x height x width)")


def _check_conditioning(entry: io.Input, value: Any) -> None:
    for prompt in value if isinstance(value, list | tuple) else [None]:
        whole = isinstance(prompt, list | tuple) and len(prompt) == 2 and isinstance(prompt[1], dict)
        _check(entry, value, whole, "a conditioning, as CLIP Text Encode gives it")
        _check_tensor(entry.id, prompt[0], range(3, 4), "encodings of prompts (batch x tokens x width)")
        check_finite(entry.id, prompt[0])


def _check_has(attributes: tuple[str, ...], what: str) -> Callable[[io.Input, Any], None]:
    def check(entry: io.Input, value: Any) -> None:
        _check(entry, value, all(hasattr(value, attribute) for attribute in attributes), what)

    return check


def _check_layout(entry: io.Input, value: Any) -> None:
    _check(
        entry,
        value,
        all(hasattr(value, name) for name in ("path", "check_fits", "start_noise")),
        "a layout, from one of the MagicMix Layout nodes",
    )


CHECKS: dict[str, Callable[[io.Input, Any], None]] = {
    "INT": _check_number(Integral, "a whole number"),
    "FLOAT": _check_number(Real, "a number"),
    "STRING": _check_text,
    "BOOLEAN": lambda entry, value: _check(entry, value, isinstance(value, bool), "true or false"),
    "COMBO": _check_combo,
    "LATENT": _check_latent,
    "IMAGE": _check_image,
    "MASK": _check_mask,
    "CONDITIONING": _check_conditioning,
    "MODEL": _check_has(("get_model_object", "clone"), "a model, as a checkpoint loader gives it"),
    "VAE": _check_has(("decode", "encode"), "a VAE, as a checkpoint loader gives it"),
    "CLIP": _check_has(("tokenizer", "tokenize"), "a text encoder; where a checkpoint has none, load one with Load CLIP"),
    "CLIP_VISION": _check_has(("encode_image", "model"), "a CLIP vision model, as Load CLIP Vision gives it"),
    "CURVE": _check_has(("points", "interp"), "a curve, as Curve Editor gives it"),
    "SAMPLER": _check_has((), "a sampler"),  # MixingSampler says which it can take
    "MAGICMIX_LAYOUT": _check_layout,
    "MAGICMIX_MAPS": _check_has(("maps_of_latents",), "a recording, from Record Cross-Attn Maps"),
}
