"""How messages repeat what users wrote."""

MOST_QUOTED = 60


def quoted(text: str) -> str:
    """`text` between quotes, its beginning only where it is long."""
    return repr(text) if len(text) <= MOST_QUOTED else f"{text[:MOST_QUOTED]!r}... ({len(text)} characters)"


def cut(text: str) -> str:
    """`text` as it is, its beginning only where it is long."""
    return text if len(text) <= MOST_QUOTED else f"{text[:MOST_QUOTED]}..."
