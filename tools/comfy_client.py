"""Talks to a ComfyUI server the way any API user would: HTTP to queue, a websocket to follow."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from websockets.sync.client import connect

Event = tuple[str, dict]


class GraphError(Exception):
    """A graph that was refused or failed; `details` is what the server said."""

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


class ComfyClient:
    """Use as a context manager; one websocket for its whole life."""

    def __init__(self, url: str, seconds: float = 300):
        self.id, self.seconds = uuid.uuid4().hex, seconds
        self.http = httpx.Client(base_url=url, timeout=seconds)
        self.socket = connect(f"{url.replace('http', 'ws', 1)}/ws?clientId={self.id}", max_size=None)

    def __enter__(self) -> "ComfyClient":
        return self

    def __exit__(self, *_) -> None:
        self.socket.close()
        self.http.close()

    def upload(self, picture: Path, name: str | None = None) -> str:
        """Puts a picture into the server's input folder; returns the name that LoadImage knows it by."""
        with picture.open("rb") as file:
            answer = self.http.post("/upload/image", files={"image": (name or picture.name, file)}, data={"overwrite": "true"})
        return answer.raise_for_status().json()["name"]

    def queue(self, graph: dict) -> str:
        """Returns the prompt id. Raises GraphError with the server's `node_errors` when the graph is refused."""
        # Python's own JSON, which knows NaN and Infinity: whether they are refused is for the server to say.
        answer = self.http.post("/prompt", content=json.dumps({"prompt": graph, "client_id": self.id}))
        if answer.status_code == 400:
            raise GraphError("the server refused the graph", answer.json())
        return answer.raise_for_status().json()["prompt_id"]

    def interrupt(self) -> None:
        self.http.post("/interrupt").raise_for_status()

    def run(self, graph: dict, on_event: Callable[[str, dict], None] | None = None) -> Run:
        """Queues `graph` and follows it to its end. Raises GraphError when a node fails or the run is interrupted."""
        run = Run(self.queue(graph))
        while True:
            message = self.socket.recv(timeout=self.seconds)
            if isinstance(message, bytes):
                run.previews.append(message[8:])  # two 4-byte words say what it is: a preview, and its picture format
                continue
            event = json.loads(message)
            kind, data = event["type"], event["data"]
            if data.get("prompt_id") not in (None, run.prompt_id):
                continue
            run.events.append((kind, data))
            if on_event is not None:
                on_event(kind, data)
            if kind == "executed":
                run.outputs[data["node"]] = data["output"]
            elif kind in ("execution_error", "execution_interrupted"):
                raise GraphError(data.get("exception_message", "interrupted").strip(), data | {"run": run})
            elif kind == "execution_success":
                return run

    def picture(self, image: dict) -> bytes:
        """The file behind an image entry of a node's outputs."""
        return self.http.get("/view", params=image).raise_for_status().content
