"""How ways of steering ride: on a model as an attachment, and on a conditioning in its dictionary, which the core's nodes keep."""

from ...magicmix_core.steering import Steering

KEY = "magicmix_steering"
"""Of both: each holds a tuple of Steerings."""


def carry(conditioning: list, *ways: Steering) -> list:
    """`conditioning` that carries these ways of steering, in place of others."""
    return [[context, {**more, KEY: ways}] for context, more in conditioning]


def carried_by(model) -> tuple[Steering, ...]:
    """What a MODEL carries, the oldest first."""
    return model.get_attachment(KEY) or ()
