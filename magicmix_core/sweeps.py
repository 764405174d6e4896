"""Values for sweeps, written the way people write them."""

import math

from .wording import quoted

MOST_VALUES = 1000


def parse_values(text: str) -> list[float]:
    """Numbers and ranges separated by commas: `0, 0.25, 0.5`, or `0:1:5` for five values from 0 to 1, or both.

    Raises ValueError naming the part that is neither, or too many values.
    """
    values: list[float] = []
    for part in filter(None, (piece.strip() for piece in text.replace("\n", ",").split(","))):
        values += _values_of(part)
        if len(values) > MOST_VALUES:
            raise ValueError(f"at most {MOST_VALUES} values, got more in {quoted(text)}")
    return values


def _values_of(part: str) -> list[float]:
    try:
        if ":" not in part:
            numbers = [float(part)]
        else:
            start, end, count = part.split(":")
            numbers = _spaced(float(start), float(end), int(count))
    except ValueError:
        raise ValueError(f"{quoted(part)} is neither a number nor start:end:count, such as 0:1:5") from None
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"values must be finite, got {quoted(part)}")
    return numbers


def _spaced(start: float, end: float, count: int) -> list[float]:
    if not 1 <= count <= MOST_VALUES + 1:
        raise ValueError
    # Rounded, so that 0:1:11 gives 0.3 and not 0.30000000000000004 to read in labels.
    return [start] if count == 1 else [round(start + (end - start) * n / (count - 1), 10) for n in range(count)]
