"""What makes a picture this one: a hash of everything that it depends on."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from .graphs import Graph

LENGTH = 32
BLOCK = 1 << 20


def item_id(graph: Graph, keep: Sequence[str] | None, versions: Mapping[str, str]) -> str:
    """Of a graph with all its values, the nodes whose files are kept if not all are, and the versions of what draws it. Files stand
    in the graph as their digests. 32 hex digits."""
    content = {"graph": graph, "versions": dict(versions)} | ({"keep": sorted(keep)} if keep else {})
    return digest(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())[:LENGTH]


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def digest_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
