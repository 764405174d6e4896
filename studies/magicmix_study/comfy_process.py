"""A stock ComfyUI, started headless in folders of its own."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from .comfy_api import ComfyConnection, ServerGoneError

GUARD = Path(__file__).with_name("guard.py")
START_SECONDS = 300
STOP_SECONDS = 30
POLL_SECONDS = 0.2
LOG_END = 3000
VENVS = (".venv/bin/python", "venv/bin/python", ".venv/Scripts/python.exe", "venv/Scripts/python.exe", "../python_embeded/python.exe")


@dataclass(frozen=True)
class Launch:
    """How servers are started. `packs` are further node packs beside those of the ComfyUI; `threads` is per server, on a CPU."""

    comfy: str
    python: str
    packs: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    cpu: bool = False
    threads: int | None = None


class StartError(Exception):
    """A server that did not start."""


def python_of(comfy: Path) -> str:
    """The Python of a ComfyUI: that of an environment inside or beside it, or else this one."""
    return next((str(comfy / name) for name in VENVS if (comfy / name).is_file()), sys.executable)


class ComfyProcess:
    """A running server. Its folders go when it does."""

    def __init__(self, launch: Launch, log: Path):
        self.folder = Path(tempfile.mkdtemp(prefix="magicmix-study-"))
        self.log, self.port = log.resolve(), _free_port()
        for name in ("input", "output", "temp", "user", "custom_nodes"):
            (self.folder / name).mkdir()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(GUARD), str(self.folder), str(self.log), *_command(launch, self.folder, self.port)]
        with self.log.open("ab") as errors:
            self.guard = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=_environment(launch))
        self.ended = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        self.guard.stdout.read()
        self.guard.wait()
        self.ended.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def alive(self) -> bool:
        return not self.ended.is_set()

    async def ready(self) -> ComfyConnection:
        """A connection, once the server is up. Raises StartError with the end of its log."""
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while self.alive and asyncio.get_running_loop().time() < deadline:
            if await _listens(self.port):  # a connection costs more to make than to be refused
                connection = ComfyConnection(self.url)
                try:
                    await connection.stats()
                    await connection.open()
                    return connection
                except (ServerGoneError, ValueError):
                    await connection.close()
            await asyncio.sleep(POLL_SECONDS)
        said = self.log.read_text(errors="replace")[-LOG_END:].strip()
        await self.stop()
        raise StartError(f"ComfyUI did not start; the end of {self.log}:\n{said}")

    async def stop(self) -> None:
        self.guard.stdin.close()
        await asyncio.to_thread(self.ended.wait, STOP_SECONDS)

    def forget(self, entry: dict) -> None:
        """Removes a saved file from the output folder, where the next ones are looked up."""
        output = (self.folder / "output").resolve()
        file = (output / entry.get("subfolder", "") / entry["filename"]).resolve()
        if file.is_relative_to(output):
            file.unlink(missing_ok=True)


def _command(launch: Launch, folder: Path, port: int) -> list[str]:
    command = [launch.python, str(Path(launch.comfy) / "main.py"), "--listen", "127.0.0.1", "--port", str(port), "--disable-auto-launch"]
    command += ["--database-url", "sqlite:///:memory:", "--temp-directory", str(folder)]
    command += [part for name in ("input", "output", "user") for part in (f"--{name}-directory", str(folder / name))]
    if launch.packs:
        for pack in map(Path, launch.packs):
            (folder / "custom_nodes" / pack.name).symlink_to(pack.resolve(), target_is_directory=True)
        config = folder / "packs.yaml"
        config.write_text(json.dumps({"study": {"custom_nodes": str(folder / "custom_nodes")}}))  # JSON is YAML
        command += ["--extra-model-paths-config", str(config)]
    return command + (["--cpu"] if launch.cpu else []) + list(launch.arguments)


def _environment(launch: Launch) -> dict[str, str]:
    # What Ray sets for its own workers is not meant for the server: among it the threads of an actor without CPUs, one.
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    if launch.threads:
        environment["OMP_NUM_THREADS"] = str(launch.threads)
    return environment


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
