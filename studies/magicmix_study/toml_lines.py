"""Where in a TOML text each of its keys stands; tomllib itself forgets that."""

import tomllib
from collections.abc import Iterator

Path = tuple[str | int, ...]


def lines_of(text: str) -> dict[Path, int]:
    """The line, from 1, of each key and table by its path, such as `("vary", 0, "node")`. `text` must be valid TOML.

    A text's first lines are valid TOML too wherever a statement ends, so that parsing ever more of them shows what each
    statement adds. A study file is short.
    """
    lines, found, begin = text.splitlines(), {}, 1
    for end in range(1, len(lines) + 1):
        try:
            document = tomllib.loads("\n".join(lines[:end]) + "\n")
        except tomllib.TOMLDecodeError:
            continue  # the statement goes on
        for path in _paths(document):
            found.setdefault(path, begin)
        begin = end + 1
    return found


def _paths(value: object, path: Path = ()) -> Iterator[Path]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _paths(inner, (*path, position))
