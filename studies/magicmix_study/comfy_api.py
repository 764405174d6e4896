"""A ComfyUI server over HTTP and its websocket: queue, follow, fetch, interrupt. Several graphs may be under way at once."""

import asyncio
import contextlib
import json
import time
import uuid
from dataclasses import dataclass, field

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from .graphs import Graph

ENDS = ("execution_success", "execution_error", "execution_interrupted")
ANSWER_SECONDS = 60
COUNTS = "/magicmix_study/counts"


class ServerGoneError(Exception):
    """The server no longer answers. `ran` says whether the graph that was waited for had begun."""

    def __init__(self, text: str, ran: bool = False):
        super().__init__(text)
        self.ran = ran


class GraphFailedError(Exception):
    """The graph was refused, a node failed, or something interrupted it."""


class TooLongError(Exception):
    """The graph did not end within its time."""


@dataclass
class Run:
    """What a graph did: files it saved as (node, entry), seconds in all and of each node, and sampling steps."""

    saved: list[tuple[str, dict]] = field(default_factory=list)
    started: float = 0.0
    seconds: float = 0.0
    node_seconds: dict[str, float] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)


class ComfyConnection:
    """One client of one server. Open it before use; once `gone` is set it stays so."""

    def __init__(self, url: str):
        self.url, self.id, self.gone = url.rstrip("/"), uuid.uuid4().hex, None
        self.http = httpx.AsyncClient(base_url=self.url, timeout=ANSWER_SECONDS)
        self.events: dict[str, asyncio.Queue] = {}
        self.listener: asyncio.Task | None = None

    async def open(self) -> None:
        ready = asyncio.get_running_loop().create_future()
        self.listener = asyncio.create_task(self._listen(ready))
        await ready

    async def close(self) -> None:
        if self.listener is not None:
            self.listener.cancel()
            await asyncio.gather(self.listener, return_exceptions=True)
        await self.http.aclose()

    async def _listen(self, ready: asyncio.Future) -> None:
        reason = "the server closed the connection"
        try:
            # No pings: a server that computes may be slow to answer, and each graph has a time limit of its own.
            async with connect(f"{self.url.replace('http', 'ws', 1)}/ws?clientId={self.id}", max_size=None, ping_interval=None) as socket:
                ready.set_result(None)
                async for message in socket:
                    self._take(message)
        except (OSError, WebSocketException, TimeoutError) as error:
            reason = f"{type(error).__name__}: {error}"
        finally:
            self.gone = reason
            if not ready.done():
                ready.set_exception(ServerGoneError(f"no ComfyUI answers at {self.url}: {reason}"))
            for queue in self.events.values():
                queue.put_nowait(None)

    def _take(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            return  # a preview, or a node's text
        event = json.loads(message)
        queue = self.events.get((event.get("data") or {}).get("prompt_id"))
        if queue is not None and event["type"] != "progress_state":
            queue.put_nowait((time.monotonic(), event["type"], event["data"]))

    async def _ask(self, method: str, path: str, **more) -> httpx.Response:
        try:
            return await self.http.request(method, path, **more)
        except httpx.TransportError as error:
            raise ServerGoneError(f"{method} {self.url}{path}: {type(error).__name__} {error}") from error

    async def stats(self) -> dict:
        return (await self._ask("GET", "/system_stats")).raise_for_status().json()["system"]

    async def object_info(self) -> dict:
        return (await self._ask("GET", "/object_info")).raise_for_status().json()

    async def upload(self, name: str, content: bytes) -> str:
        """Puts a file into the input folder; returns the name that nodes know it by."""
        answer = await self._ask("POST", "/upload/image", files={"image": (name, content)}, data={"overwrite": "true"})
        return answer.raise_for_status().json()["name"]

    async def queue(self, graph: Graph) -> str:
        """Returns the prompt id. Raises GraphFailedError when the graph, or a part of it, is refused."""
        wanted = str(uuid.uuid4())
        self.events[wanted] = asyncio.Queue()  # events may come before the answer
        body = {"prompt": graph, "client_id": self.id, "prompt_id": wanted}
        answer = await self._ask("POST", "/prompt", content=json.dumps(body), headers={"Content-Type": "application/json"})
        try:
            said = answer.json()
        except ValueError:
            said = {"error": {"message": f"{answer.status_code} {answer.text[:200]}", "details": ""}, "node_errors": {}}
        if "error" in said or said.get("node_errors"):
            self.events.pop(wanted)
            if "prompt_id" in said:
                await self.take_back(said["prompt_id"])
            raise GraphFailedError("refused: " + "; ".join(_complaints(said)))
        if said["prompt_id"] != wanted:
            self.events[said["prompt_id"]] = self.events.pop(wanted)
        return said["prompt_id"]

    async def follow(self, prompt_id: str, limit: float) -> Run:
        """Waits for the graph's end, for `limit` seconds from its start, which others' graphs may delay.

        Raises GraphFailedError, TooLongError, ServerGoneError.
        """
        run, running, since, deadline = Run(), None, 0.0, time.monotonic() + limit
        events = self.events[prompt_id]
        while True:
            if self.gone and events.empty():
                raise ServerGoneError(self.gone, ran=run.started > 0)
            try:
                event = await asyncio.wait_for(events.get(), max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                if not run.started and await self._waits_behind_others(prompt_id):
                    deadline = time.monotonic() + limit
                    continue
                raise TooLongError(f"took longer than the time limit of {limit:g} s") from None
            if event is None:
                continue
            now, kind, data = event
            if kind == "execution_start":
                run.started, begun, deadline = time.time(), now, now + limit
            elif kind == "progress":
                run.steps[data["node"]] = max(run.steps.get(data["node"], 0), data["value"])
            elif kind == "executed":
                run.saved += [(data["node"], entry) for entry in _entries(data.get("output"))]
            if running is not None and (kind in ENDS or kind == "executing"):
                run.node_seconds[running] = run.node_seconds.get(running, 0.0) + now - since
            if kind == "executing":
                running, since = data["node"], now
            if kind in ENDS:
                self.events.pop(prompt_id, None)
                run.seconds = now - begun if run.started else 0.0
                if kind == "execution_error":
                    raise GraphFailedError(f"{data['node_type']} (node {data['node_id']}): {data['exception_message'].strip()}")
                if kind == "execution_interrupted":
                    raise GraphFailedError(f"interrupted in {data['node_type']} (node {data['node_id']})")
                return run

    async def _waits_behind_others(self, prompt_id: str) -> bool:
        try:
            running, waiting = await self.queued()
        except (TimeoutError, ServerGoneError, ValueError):
            return False
        return prompt_id in waiting and bool(running)

    async def queued(self) -> tuple[set[str], set[str]]:
        """The prompt ids that run and those that wait, anybody's."""
        queue = (await asyncio.wait_for(self._ask("GET", "/queue"), 10)).json()
        return {entry[1] for entry in queue["queue_running"]}, {entry[1] for entry in queue["queue_pending"]}

    async def ended(self, prompt_id: str, seconds: float) -> bool:
        """Waits for the end of a graph that was interrupted; whether it came."""
        with contextlib.suppress(GraphFailedError):
            try:
                await self.follow(prompt_id, seconds)
            except (TooLongError, ServerGoneError):
                return False
        return True

    async def take_back(self, prompt_id: str) -> None:
        """A graph that waits never starts, one that runs stops after its step; others go on."""
        with contextlib.suppress(ServerGoneError, TimeoutError):
            await asyncio.wait_for(self._ask("POST", "/queue", json={"delete": [prompt_id]}), 10)
            await asyncio.wait_for(self._ask("POST", "/interrupt", json={"prompt_id": prompt_id}), 10)

    async def fetch(self, entry: dict) -> bytes:
        """The file behind an entry of a node's outputs, whole. Raises GraphFailedError when it is not there."""
        answer = await self._ask("GET", "/view", params={key: entry.get(key, "") for key in ("filename", "subfolder", "type")})
        if not answer.is_success:
            raise GraphFailedError(f"the server does not give out {entry.get('filename')!r}: {answer.status_code}")
        return answer.content

    async def counts(self, prompt_id: str) -> dict | None:
        """What a counting node pack says of a graph; None without one."""
        answer = await self._ask("GET", f"{COUNTS}/{prompt_id}")
        return answer.json() if answer.is_success else None


def _entries(output: dict | None) -> list[dict]:
    """The files that a node says it has saved; previews are none."""
    listed = (entry for entries in (output or {}).values() if isinstance(entries, list) for entry in entries)
    return [entry for entry in listed if isinstance(entry, dict) and "filename" in entry and entry.get("type") == "output"]


def _complaints(said: dict) -> list[str]:
    nodes = said.get("node_errors") or {}
    found = [
        f"{node['class_type']} (node {node_id}): {error['message']} ({error['details']})"
        for node_id, node in nodes.items()
        for error in node["errors"]
    ]
    return found or [f"{said['error']['message']} {said['error'].get('details', '')}".strip()]
