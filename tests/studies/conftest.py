"""Studies as people run them: the command in a process of its own, Ray, and real ComfyUIs."""

import os
import subprocess
import sys

import pytest
from magicmix_study.comfy_process import ComfyProcess, Launch
from study_runs import FAULT_NODES, LOCAL_RAY, command, host, listens, wait_until, write_study

HOLD_RAY = """
import sys
from magicmix_study.cluster import join
join(None)
import ray
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="session")
def faults(tmp_path_factory):
    """A folder: a file `hang-3` in it makes item 3 hang, once."""
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="session")
def servers(tmp_path_factory, faults):
    """The addresses of two ComfyUIs with the nodes that go wrong."""
    os.environ["FAULTS_FOLDER"] = str(faults)
    launch = Launch(str(host()), sys.executable, packs=(str(FAULT_NODES),), arguments=("--disable-api-nodes",), cpu=True, threads=1)
    logs = tmp_path_factory.mktemp("logs")
    started = [ComfyProcess(launch, logs / f"{place}.log") for place in range(2)]
    try:
        for server in started:
            wait_until(lambda server=server: listens(server.url), f"{server.log} should show a server that is up")
        yield [server.url for server in started]
    finally:
        for server in started:
            server.guard.stdin.close()
            server.ended.wait(20)
        os.environ.pop("FAULTS_FOLDER")


@pytest.fixture(scope="session")
def ray_address():
    """A Ray of this machine alone, which the studies of a session join. It ends with the process that holds it."""
    holder = subprocess.Popen([sys.executable, "-c", HOLD_RAY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with holder:
        yield holder.stdout.readline().strip()
        holder.stdin.close()
        holder.wait(30)


@pytest.fixture
def study_file(tmp_path):
    """`study_file(text, graph)`: a study with this text; returns its path."""
    return lambda text, graph=None: write_study(tmp_path, text, graph)


@pytest.fixture(scope="session")
def run_anywhere(servers, ray_address):
    """`run_anywhere(study, out)`: (exit status, what it said) of a study that has ended, on the session's servers and Ray."""

    def finished(study, out, *more, on=None) -> tuple[int, str]:
        addresses = [part for url in on or servers for part in ("--server", url)]
        ended = subprocess.run(
            command("run", study, "--out", out, "--address", ray_address, *addresses, *more),
            env=os.environ | LOCAL_RAY, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return ended.returncode, ended.stdout + ended.stderr

    return finished


@pytest.fixture
def run(run_anywhere, tmp_path):
    """The same, in the test's own folder."""
    return lambda study, out="out", *more, **where: run_anywhere(study, tmp_path / out, *more, **where)
