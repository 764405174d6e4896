"""A worker: an actor with one ComfyUI, which it starts and keeps warm, or which it was told of. It draws what it is given, in order."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

import httpx

from .comfy_api import ComfyConnection, GraphFailedError, Run, ServerGoneError, TooLongError
from .comfy_process import ComfyProcess, Launch, StartError
from .graphs import Graph, seed_of, with_values
from .identity import digest
from .schema_check import used_schemas
from .store import BrokenPictureError, DiskFullError, Journal, Store, says_full
from .study import Study

INTERRUPT_SECONDS = 10
FAILURES_IN_A_ROW = 3


@dataclass(frozen=True)
class Outcome:
    """How drawing an item ended.

    `done`: `row` is its row. `failed`: by its own fault, or the server died on it; `error` says how. `lost`: not drawn, not by its
    fault; `broken` says whether the worker can do nothing now. `full`: nothing can be stored any more.
    """

    kind: str
    row: dict | None = None
    error: str = ""
    broken: bool = False
    node_seconds: dict[str, float] | None = None


class Worker:
    """Runs as a Ray actor; all calls share its event loop. `server` is how to start a ComfyUI, or the address of one that runs."""

    def __init__(self, name: str, server: Launch | str, study: Study, folder: str):
        self.name, self.server, self.study, self.store = name, server, study, Store(Path(folder))
        self.process: ComfyProcess | None = None
        self.connection: ComfyConnection | None = None
        self.uploaded: dict[str, str] = {}
        self.stale: list[dict] = []
        self.hanging: set[str] = set()
        self.counting, self.failures = True, 0
        self.version, self.required = "", None
        self.starting, self.turn = asyncio.Lock(), asyncio.Lock()
        self.journal = Journal(self.store.journal, name)

    async def describe(self) -> dict:
        """The server's version and the schemas of the study's nodes. Raises StartError, ServerGoneError."""
        connection = await self._up()
        return {"comfyui": self.version, "schemas": used_schemas(self.study, await connection.object_info())}

    def require(self, comfyui: str) -> None:
        """Refuses servers of another version from now on: their pictures would not be those that the ids promise."""
        self.required = comfyui

    def process_id(self) -> int:
        return os.getpid()

    async def draw(self, item: dict, attempts: int) -> Outcome:
        """Draws an item that was tried `attempts` times before, and stores what it gives."""
        connection, prompt_id = None, None
        try:
            async with self.turn:  # what comes first is queued first
                connection = await self._up()
                prompt_id = await connection.queue(await self._graph(connection, item))
            run = await connection.follow(prompt_id, self.study.time_limit)
            row = await self._row(connection, prompt_id, item, run, attempts) | item
            self.journal.done(row)
        except (
            DiskFullError,
            GraphFailedError,
            TooLongError,
            BrokenPictureError,
            ServerGoneError,
            StartError,
            httpx.HTTPError,
            OSError,
        ) as error:
            return await self._ending(item, connection, prompt_id, error)
        self.failures = 0
        return Outcome("done", row=row, node_seconds=run.node_seconds)

    async def _ending(self, item: dict, connection: ComfyConnection | None, prompt_id: str | None, error: Exception) -> Outcome:
        said = str(error) or type(error).__name__
        if isinstance(error, DiskFullError) or (isinstance(self.server, Launch) and says_full(said)):
            return Outcome("full", error=said)
        if isinstance(error, StartError) or connection is None:
            return Outcome("lost", error=said, broken=True)
        if isinstance(error, ServerGoneError) and not error.ran:
            return Outcome("lost", error=said, broken=isinstance(self.server, str))
        broken = False
        if isinstance(error, ServerGoneError):
            said = f"the server went away while it drew this: {said}"
        elif isinstance(error, TooLongError):
            broken = not await self._stopped(connection, prompt_id)
        try:
            self.journal.failed(item, self.name, said)
        except DiskFullError as full:
            return Outcome("full", error=str(full))
        self.failures += 1
        if self.failures == FAILURES_IN_A_ROW and self.process is not None:
            await self._restart(connection)  # a device in disorder fails everything until its process ends
        return Outcome("failed", error=said, broken=broken)

    async def _stopped(self, connection: ComfyConnection, prompt_id: str) -> bool:
        """Ends a graph that takes too long, with the server if need be; whether the worker can go on."""
        await connection.take_back(prompt_id)
        if await connection.ended(prompt_id, INTERRUPT_SECONDS):
            return True
        self.hanging.add(prompt_id)
        await self._restart(connection)
        return isinstance(self.server, Launch)

    async def _restart(self, connection: ComfyConnection) -> None:
        """Ends the server, or leaves one that is not its own, unless another call did so already; the next item starts anew."""
        async with self.starting:
            if self.connection is connection:
                await self._take_back()
                await self._down()

    async def _take_back(self) -> None:
        if self.process is None and self.connection is not None:
            await asyncio.gather(*(self.connection.take_back(prompt_id) for prompt_id in list(self.connection.events)))

    async def _up(self) -> ComfyConnection:
        async with self.starting:
            if self.connection is None or self.connection.gone is not None or (self.process is not None and not self.process.alive):
                await self._down()
                self.connection = await self._connected()
                self.version = (await self.connection.stats()).get("comfyui_version", "unknown")
                self.uploaded, self.stale, self.counting = {}, [], True
            if self.required not in (None, self.version):
                raise StartError(f"it runs ComfyUI {self.version}, and the study is drawn with {self.required}")
            return self.connection

    async def _connected(self) -> ComfyConnection:
        if isinstance(self.server, Launch):
            self.process = ComfyProcess(self.server, self.store.logs / f"{self.name}.log")
            return await self.process.ready()
        connection = ComfyConnection(self.server)
        try:
            await connection.open()
            if self.hanging & (await connection.queued())[0]:
                raise ServerGoneError(f"{self.server} still runs a graph that hangs")
        except (ServerGoneError, TimeoutError) as error:
            await connection.close()
            raise StartError(str(error)) from error
        return connection

    async def _down(self) -> None:
        connection, process, self.connection, self.process = self.connection, self.process, None, None
        if process is not None:
            await process.stop()
        if connection is not None:
            await connection.close()

    async def close(self) -> None:
        """Takes back what is queued and ends the server that this worker started."""
        async with self.starting:
            await self._take_back()
            await self._down()

    async def _graph(self, connection: ComfyConnection, item: dict) -> Graph:
        for column in self.study.columns:
            if column.is_file and item[column.name] not in self.uploaded:
                self.uploaded[item[column.name]] = await self._upload(connection, item[column.name])
        return with_values(self.study.graph, self.study.settings(item, self.uploaded.__getitem__))

    async def _upload(self, connection: ComfyConnection, name: str) -> str:
        content = await asyncio.to_thread((self.study.folder / name).read_bytes)
        wanted = self.study.digests[name]
        if digest(content) != wanted:
            raise GraphFailedError(f"{name} changed since the study began")
        return await connection.upload(f"study-{wanted[:16]}{Path(name).suffix}", content)

    async def _row(self, connection: ComfyConnection, prompt_id: str, item: dict, run: Run, attempts: int) -> dict:
        saved = [(node_id, entry) for node_id, entry in run.saved if self.study.keep is None or node_id in self.study.keep]
        if not saved:
            raise GraphFailedError("the graph saved nothing that is kept")
        files = []
        for place, (node_id, entry) in enumerate(saved):
            content = await connection.fetch(entry)
            files.append({"node": node_id} | await asyncio.to_thread(self.store.keep_file, item["id"], place, entry["filename"], content))
        counts = await self._counts(connection, prompt_id)
        if self.process is not None:
            # One picture behind: were this one drawn again at once, the host would say that it still has it.
            for entry in self.stale:
                self.process.forget(entry)
            self.stale = [entry for _, entry in run.saved]
        return {
            "seed": seed_of(with_values(self.study.graph, self.study.settings(item, str))),
            "started": round(run.started * 1000),
            "seconds": run.seconds,
            "worker": self.name,
            "attempts": attempts + 1,
            "sampling_steps": sum(run.steps.values()),
            "unet_calls": counts.get("unet_calls"),
            "checkpoint_loads": counts.get("checkpoint_loads"),
            "error": None,
            "files": files,
        }

    async def _counts(self, connection: ComfyConnection, prompt_id: str) -> dict:
        """What the server counted, where it counts."""
        counts = await connection.counts(prompt_id) if self.counting else None
        self.counting = counts is not None
        return counts or {}
