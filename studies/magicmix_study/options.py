"""What a run was asked for, the servers that follow from it, and the command that draws one of its pictures again."""

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .cluster import Joined
from .comfy_process import Launch

RAYS_PARTS = 10_000


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    out: Path
    folder: Path | None
    launch: Launch | None
    servers: tuple[str, ...]
    workers: int | None
    address: str | None
    yes: bool
    estimate_only: bool
    only: str | None
    retry_failed: bool
    new_versions: bool


def servers_of(options: Options, joined: Joined) -> tuple[Sequence[Launch | str], Sequence[str], float]:
    """How to start or where to find each worker's server, the workers' names, and the GPUs of each."""
    if options.servers:
        return options.servers, [re.sub(r"[^\w.:-]", "_", address.partition("://")[2]) for address in options.servers], 0
    gpus = joined.gpus
    count = options.workers or gpus or 1
    cpu = not gpus and sys.platform != "darwin"
    threads = options.launch.threads or (max(1, (os.cpu_count() or 1) // count) if cpu else None)
    return [replace(options.launch, cpu=cpu, threads=threads)] * count, [f"worker-{place}" for place in range(count)], _share(gpus, count)


def _share(gpus: int, workers: int) -> float:
    """Of a GPU, for each worker, so that all find room: a part is of one GPU, and Ray counts in parts of `RAYS_PARTS`."""
    on_each = -(-workers // max(1, gpus))
    return RAYS_PARTS // on_each / RAYS_PARTS if gpus else 0


def again(study: Path, options: Options, server: Launch | str) -> list[str]:
    """A command that draws one picture in another folder as the study draws it, less the picture's id."""
    command = ["magicmix-study", "run", str(study.resolve()), "--out", "again"]
    if options.folder:
        command += ["--folder", str(options.folder.resolve())]
    if isinstance(server, str):
        return [*command, "--server", server, "--only"]
    command += ["--comfy", server.comfy, "--python", server.python]
    command += [part for pack in server.packs for part in ("--nodes", pack)] + [f"--comfy-arg={argument}" for argument in server.arguments]
    return [*command, *(["--threads", str(server.threads)] if server.threads else []), "--only"]
