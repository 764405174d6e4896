"""The folder of a study: pictures, the table, what is done, and a journal of what workers finished since the table was written.

study.json     what was asked for: the study file, the graph, the versions, the order of the varied values
pictures/ab/   the files that the graphs saved, by the picture's id
results/       the table, in Parquet files
done/          the ids in the table, as Ray Data keeps them to go on from
journal/       a line for each picture or failure, from the moment it happens until it is in the table
logs/          what each worker's ComfyUI said
"""

import errno
import io
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from .identity import digest

FORMAT = 1
SUFFIX = re.compile(r"\.[a-z0-9]{1,5}")
PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tiff", ".avif"})
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DiskFullError(Exception):
    """There is no room left for the study's folder."""


class BrokenPictureError(Exception):
    """A picture that cannot be read to its end."""


@dataclass(frozen=True)
class Store:
    """Paths in a study's folder."""

    folder: Path

    @property
    def manifest(self) -> Path:
        return self.folder / "study.json"

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def done(self) -> Path:
        return self.folder / "done"

    @property
    def journal(self) -> Path:
        return self.folder / "journal"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def lock(self) -> Path:
        return self.folder / ".lock"

    def make(self) -> None:
        for folder in (self.folder, self.results, self.done, self.journal, self.logs):
            folder.mkdir(parents=True, exist_ok=True)

    def read_manifest(self) -> dict | None:
        return json.loads(self.manifest.read_text(encoding="utf-8")) if self.manifest.is_file() else None

    def write_manifest(self, content: dict) -> None:
        write_whole(self.manifest, json.dumps({"format": FORMAT} | content, indent=1).encode())

    def keep_file(self, item_id: str, place: int, name: str, content: bytes) -> dict:
        """Stores a saved file under the item's id; returns its entry in the table. `name` is the server's, of which the ending is used.

        Raises BrokenPictureError, DiskFullError.
        """
        suffix = Path(name).suffix.lower()
        suffix = suffix if SUFFIX.fullmatch(suffix) else ".bin"
        if suffix in PICTURES:
            check_picture(content)
        path = f"pictures/{item_id[:2]}/{item_id}{f'-{place}' if place else ''}{suffix}"
        file = self.folder / path
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, content)
        except OSError as error:
            raise full_or(error) from error
        return {"path": path, "bytes": len(content), "sha256": digest(content)}

    def intact(self, files: list[dict]) -> bool:
        """Whether the files of a row are there in full length."""
        return all(_size(self.folder / file["path"]) == file["bytes"] for file in files)


def says_full(text: str) -> bool:
    """Whether an error's text speaks of a full disk: errors of other processes, Ray's among them, come as text."""
    return any(mark in text for mark in ("No space left on device", "[Errno 28]"))


def full_or(error: OSError) -> Exception:
    """A full disk by that name, another error as it is."""
    return DiskFullError(f"no space left: {error}") if error.errno in FULL else error


def check_picture(content: bytes) -> None:
    """Raises BrokenPictureError unless every pixel can be read."""
    try:
        with Image.open(io.BytesIO(content)) as picture:
            picture.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise BrokenPictureError(f"the picture cannot be read to its end: {error}") from error


def write_whole(file: Path, content: bytes) -> None:
    """Writes a file so that it is there whole or not at all."""
    part = file.with_name(f".{file.name}-{os.urandom(4).hex()}.part")
    try:
        part.write_bytes(content)
        part.replace(file)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _size(file: Path) -> int | None:
    try:
        return file.stat().st_size
    except OSError:
        return None


class Journal:
    """One writer's lines. A line that a crash cut off is left out when they are read."""

    def __init__(self, folder: Path, writer: str):
        self.file = folder / f"{writer}-{os.getpid()}-{os.urandom(4).hex()}.jsonl"

    def done(self, row: dict) -> None:
        self._add({"done": row})

    def failed(self, item: dict, worker: str, error: str) -> None:
        self._add({"failed": {"key": os.urandom(8).hex(), "item": item, "worker": worker, "error": error}})

    def _add(self, line: dict) -> None:
        try:
            with self.file.open("a", encoding="utf-8") as output:
                output.write(json.dumps(line, default=str) + "\n")
        except OSError as error:
            raise full_or(error) from error


def journal_lines(folder: Path) -> Iterator[dict]:
    """All whole lines of a journal's folder: `{"done": row}` or `{"failed": {key, item, worker, error}}`."""
    for file in sorted(folder.glob("*.jsonl")):
        with file.open(encoding="utf-8") as text:
            for line in text:
                try:
                    yield json.loads(line)
                except json.JSONDecodeError:
                    continue


def failed_items(folder: Path) -> dict[str, dict]:
    """The items that failed at some time, by id."""
    return {line["failed"]["item"]["id"]: line["failed"]["item"] for line in journal_lines(folder) if "failed" in line}
