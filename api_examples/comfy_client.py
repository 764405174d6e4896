"""Talks to a ComfyUI server: HTTP to queue, a websocket to follow. It stands alone: take this file along.

pip install httpx websockets
"""

import contextlib
import json
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

Graph = dict[str, dict]
Event = tuple[str, dict]

PREVIEW, TEXT = b"\x00\x00\x00\x01", b"\x00\x00\x00\x03"  # how a binary message begins that holds a preview, or a node's text


class GraphError(Exception):
    """A graph that was refused, failed or was interrupted; `details` is what the server said."""

    def __init__(self, message: str, details: dict):
        super().__init__(message)
        self.details = details


@dataclass
class Run:
    """What one queued graph did: every event in its order, the previews, and the outputs by node id."""

    prompt_id: str
    events: list[Event] = field(default_factory=list)
    previews: list[bytes] = field(default_factory=list)
    outputs: dict[str, dict] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    """What nodes last said of themselves, by node id."""


def inputs_of(graph: Graph, class_type: str) -> dict:
    """The inputs, to read or to change, of the graph's only node of this type."""
    found = [node["inputs"] for node in graph.values() if node["class_type"] == class_type]
    if len(found) != 1:
        raise ValueError(f"the graph must have one {class_type}, it has {len(found)}")
    return found[0]


class ComfyClient:
    """Use as a context manager: one websocket for its whole life, and nothing it queued outlives it."""

    def __init__(self, url: str, seconds: float = 300):
        self.id, self.seconds, self.unfinished = uuid.uuid4().hex, seconds, []
        self.http = httpx.Client(base_url=url, timeout=seconds)
        try:
            self.socket = connect(f"{url.replace('http', 'ws', 1)}/ws?clientId={self.id}", max_size=None)
        except OSError as error:
            raise ConnectionError(f"no ComfyUI answers at {url}: {error}") from error

    def __enter__(self) -> "ComfyClient":
        return self

    def __exit__(self, *_) -> None:
        with contextlib.suppress(httpx.TransportError):  # a server that is gone has nothing left to stop
            self.interrupt()
        self.socket.close()
        self.http.close()

    def upload(self, picture: Path, name: str | None = None) -> str:
        """Puts a picture into the server's input folder; returns the name that LoadImage knows it by."""
        with picture.open("rb") as file:
            answer = self.http.post("/upload/image", files={"image": (name or picture.name, file)}, data={"overwrite": "true"})
        return answer.raise_for_status().json()["name"]

    def queue(self, graph: Graph) -> str:
        """Returns the prompt id. Raises GraphError that lists what is wrong when the graph, or a part of it, is refused."""
        # Python's own JSON, which knows NaN and Infinity: whether they are refused is for the server to say.
        answer = self.http.post("/prompt", content=json.dumps({"prompt": graph, "client_id": self.id}))
        if answer.status_code != httpx.codes.BAD_REQUEST:
            answer.raise_for_status()
        said = answer.json()
        if "prompt_id" in said:
            self.unfinished.append(said["prompt_id"])
        if "error" in said or said["node_errors"]:
            self.interrupt()  # where one output is fine and another is not, the server runs the one
            raise GraphError("the server refused the graph\n" + "\n".join(_complaints(said)), said)
        return said["prompt_id"]

    def interrupt(self) -> None:
        """Takes back what this client queued: what waits never starts, what runs stops after its step. Others' graphs go on."""
        if self.unfinished:
            self.http.post("/queue", json={"delete": self.unfinished}).raise_for_status()
        for prompt_id in self.unfinished:
            self.http.post("/interrupt", json={"prompt_id": prompt_id}).raise_for_status()

    def run(self, graph: Graph, on_event: Callable[[str, dict], None] | None = None) -> Run:
        """Queues `graph` and follows it to its end. Raises GraphError when it is refused, fails or is interrupted."""
        return self.follow(self.queue(graph), on_event)

    def follow(self, prompt_id: str, on_event: Callable[[str, dict], None] | None = None) -> Run:
        """Waits for the end of a queued graph; several are to be followed in the order in which they were queued."""
        run = Run(prompt_id)
        while True:
            try:
                message = self.socket.recv(timeout=self.seconds)
            except ConnectionClosed as error:
                raise ConnectionError("ComfyUI went away before the graph ended") from error
            if isinstance(message, bytes):
                if message.startswith(PREVIEW):
                    run.previews.append(message[8:])  # behind four more bytes that name its picture format
                elif message.startswith(TEXT):
                    end = 8 + int.from_bytes(message[4:8], "big")  # of the node's id, whose length stands before it
                    run.texts[message[8:end].decode()] = message[end:].decode()
                continue
            event = json.loads(message)
            kind, data = event["type"], event["data"]
            if data.get("prompt_id") not in (None, prompt_id):
                continue
            run.events.append((kind, data))
            if on_event is not None:
                on_event(kind, data)
            if kind == "executed":
                run.outputs[data["node"]] = data["output"] or {}  # None: it came from the cache and shows nothing
            elif kind in ("execution_error", "execution_interrupted", "execution_success"):
                self.unfinished.remove(prompt_id)
                if kind == "execution_success":
                    return run
                reason = data.get("exception_message", "interrupted").strip()
                raise GraphError(f"{data['node_type']} (node {data['node_id']}): {reason}", data | {"run": run})

    def pictures(self, run: Run) -> list[bytes]:
        """The picture files that a run saved."""
        images = (image for output in run.outputs.values() for image in output.get("images", []) if image["type"] == "output")
        return [self.picture(image) for image in images]

    def picture(self, image: dict) -> bytes:
        """The file behind an entry (filename, subfolder, type) of a node's outputs."""
        return self.http.get("/view", params=image).raise_for_status().content


def _complaints(said: dict) -> Iterable[str]:
    """A line for each wrong input; where no input is at fault, what the server says of the graph."""
    for node_id, node in said["node_errors"].items():
        for error in node["errors"]:
            yield f"{node['class_type']} (node {node_id}): {error['message']} ({error['details']})"
    if not said["node_errors"]:
        yield f"{said['error']['message']} {said['error']['details']}".strip()
