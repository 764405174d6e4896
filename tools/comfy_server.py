"""A ComfyUI server with this pack in it, on a free port and in folders of its own, for the demo and the tests."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import httpx
import torch

PACK = Path(__file__).resolve().parent.parent
START_SECONDS = 180


def comfyui_path() -> Path:
    """The ComfyUI tree to run. Raises SystemExit that says what to do when there is none."""
    path = Path(os.environ.get("COMFYUI_PATH", PACK / ".host" / "ComfyUI"))
    if not (path / "main.py").is_file():
        raise SystemExit(f"COMFYUI_PATH: no ComfyUI at {path}; run `make demo` or `make test`, which fetch one")
    return path


@contextlib.contextmanager
def comfy_server(
    *arguments: str, pack: Path = PACK, extra_nodes: Iterable[Path] = (), environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Yields the server's base URL; stops it on the way out, whatever happened. `arguments` are ComfyUI's own.

    Models, input, output and user data live in a temporary folder: the ComfyUI tree itself stays untouched.
    `pack` is a folder, which is linked, or an archive, which is unpacked into a folder of its name as an installer does.
    `extra_nodes` are folders of other custom nodes, linked beside it. `environment` comes on top of this process's own.
    """
    with tempfile.TemporaryDirectory(prefix="magicmix-") as folder:
        base = Path(folder)
        for name in ("custom_nodes", "models", "input", "output", "temp", "user"):
            (base / name).mkdir()
        if pack.is_dir():
            # A checkout may be called anything; its tests must not depend on it.
            (base / "custom_nodes" / ("magicmix" if pack == PACK else pack.name)).symlink_to(pack, target_is_directory=True)
        else:
            shutil.unpack_archive(pack, base / "custom_nodes" / pack.stem)
        for folder_of_nodes in extra_nodes:
            (base / "custom_nodes" / folder_of_nodes.name).symlink_to(folder_of_nodes, target_is_directory=True)
        if (example := comfyui_path() / "input" / "example.png").is_file():  # what Load Image shows at first
            shutil.copy(example, base / "input")
        port = _free_port()
        command = [sys.executable, str(comfyui_path() / "main.py"), "--port", str(port), "--base-directory", folder]
        command += ["--disable-auto-launch", "--database-url", "sqlite:///:memory:", *arguments]
        if page := os.environ.get("FRONTEND_ROOT"):
            command += ["--front-end-root", page]
        if not torch.cuda.is_available():
            command.append("--cpu")
        log = base / "server.log"
        variables = os.environ | {"OMP_NUM_THREADS": "1"} | dict(environment or {})  # the demo model is too small to share out
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=folder, env=variables)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_up(url, process, log)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_up(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/system_stats").is_success:
                return
        time.sleep(0.2)
    raise RuntimeError(f"ComfyUI did not start:\n{log.read_text(errors='replace')[-4000:]}")
