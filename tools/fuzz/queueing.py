"""A busy queue: several graphs wait on the server at any time; how each ended is read from its history."""

import json
import time
from dataclasses import dataclass, field

import httpx

POLL_SECONDS = 0.005


@dataclass(frozen=True)
class Ending:
    """How a queued graph ended: it `ran`, `failed` in a node, or was `stuck` until it was interrupted.

    `error` is what the server says of the node that failed or was stuck (node_type, exception_type, exception_message, traceback).
    """

    kind: str
    error: dict = field(default_factory=dict)
    outputs: dict = field(default_factory=dict)


class ServerGoneError(Exception):
    """The server no longer answers."""


class BusyQueue:
    def __init__(self, url: str, patience: float):
        """`patience`: seconds from when a graph is waited for until it counts as stuck."""
        self.http, self.patience = httpx.Client(base_url=url, timeout=max(60.0, patience)), patience

    def __enter__(self) -> "BusyQueue":
        return self

    def __exit__(self, *_) -> None:
        self.http.close()

    def schemas(self) -> dict:
        return self._ask("GET", "/object_info").json()

    def queue(self, graph: dict) -> str | None:
        """The id of the queued graph; None where the server refused it."""
        answer = self._ask("POST", "/prompt", content=json.dumps({"prompt": graph}))
        return answer.json().get("prompt_id") if answer.is_success else None

    def ending(self, prompt_id: str) -> Ending:
        """Waits for the end of a queued graph and has the server forget it."""
        deadline, stuck = time.monotonic() + self.patience, False
        while not (entry := self._ask("GET", f"/history/{prompt_id}").json()):
            if time.monotonic() > deadline:
                if stuck:
                    raise ServerGoneError(f"an interrupt was not heard within {self.patience:g} seconds")
                self._ask("POST", "/interrupt", json={"prompt_id": prompt_id})
                deadline, stuck = deadline + self.patience, True
            time.sleep(POLL_SECONDS)
        self._ask("POST", "/history", json={"delete": [prompt_id]})
        said = entry[prompt_id]
        ends = dict(said["status"]["messages"])
        if stuck:
            return Ending("stuck", ends.get("execution_interrupted", {}))
        if "execution_error" in ends:
            return Ending("failed", ends["execution_error"])
        return Ending("ran", outputs=said["outputs"])

    def picture(self, entry: dict) -> bytes:
        """The file behind an entry (filename, subfolder, type) of a node's outputs."""
        return self._ask("GET", "/view", params=entry).content

    def _ask(self, method: str, path: str, **more) -> httpx.Response:
        try:
            return self.http.request(method, path, **more)
        except httpx.TransportError as error:
            raise ServerGoneError(f"{method} {path}: {error!r}") from error
