"""Ray: a local one of our own, or a cluster that is there; the actors of a study in it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from .comfy_process import Launch
from .problems import StoppedError
from .study import Study

ADDRESS = "RAY_ADDRESS"
OBJECT_STORE = 256 << 20
LEAST_CPUS = 4
SLOW, TRIES = "timed out during startup", 3
"""Ray waits for itself for 30 s, which is too short where all cores are busy."""


@dataclass(frozen=True)
class Joined:
    """What Ray offers: its GPUs, its dashboard's address where it is on, and whether it is a local one of our own."""

    gpus: int
    dashboard: str | None
    local: bool


def join(address: str | None) -> Joined:
    """Joins the cluster at `address`, or at Ray's own variable; without either starts a local Ray that only this machine can reach.

    Raises StoppedError."""
    address = address or os.environ.get(ADDRESS)
    local = address in (None, "local")
    if local:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # whose meaning, on every system: bind the loopback only. Read on import
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_worker_niceness", "0")  # on top of our own; else servers run at Ray's 15, behind all other work
    import ray

    quiet = {"log_to_driver": False, "logging_level": "error"}
    cpus = max(LEAST_CPUS, os.cpu_count() or 1)  # of Ray's own tasks, which are small; servers take what they need
    where = {"num_cpus": cpus, "object_store_memory": OBJECT_STORE} if local else {"address": address}
    for left in reversed(range(TRIES if local else 1)):
        try:
            context = ray.init(**where, **quiet)
            break
        except Exception as error:  # of many kinds, Exception itself among them
            if not left or SLOW not in str(error):
                raise StoppedError(f"Ray {'did not start' if local else f'cannot be joined at {address}'}: {error}") from error
    return Joined(int(ray.cluster_resources().get("GPU", 0)), context.dashboard_url or None, local)


def start_crew(study: Study, folder: str, servers: Sequence[Launch | str], names: Sequence[str], gpus: float):
    """A board and a worker for each server, and the workers' handles: they live as long as these. Each worker has `gpus` GPUs, or a part of one."""
    import ray

    from .board import Board
    from .drawing import Crew, actor_name
    from .worker import Worker

    board = ray.remote(num_cpus=0)(Board).remote(list(names))
    actor = ray.remote(num_cpus=0, num_gpus=gpus, max_restarts=-1, max_concurrency=64, scheduling_strategy="SPREAD")(Worker)
    shared = ray.put(study)
    workers = [
        actor.options(name=actor_name(name)).remote(name, server, shared, folder) for name, server in zip(names, servers, strict=True)
    ]
    return Crew(board, tuple(names), shared), workers
