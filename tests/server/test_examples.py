"""The examples for API users, as a person runs them: in a process of their own, against a real server."""

import json
import signal
import subprocess
import sys
from functools import partial

import pytest
from comfy_server import PACK
from mix import GRAPH
from PIL import Image

from demo_model import SIDES

EXAMPLES = PACK / "api_examples"
FEW = 8


@pytest.fixture
def example(url, picture, tmp_path):
    """`example("mix.py", "--nu", "0.5")`: the running script, its text piped, in an empty folder; ended after the test."""
    started = []
    streams = {"text": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # A shell's background jobs ignore Ctrl-C, and what they start inherits that.
    listening = {"preexec_fn": partial(signal.signal, signal.SIGINT, signal.SIG_DFL)}

    def start(script: str, *arguments: str, server: str = url) -> subprocess.Popen:
        command = [sys.executable, str(EXAMPLES / script), "--url", server, "--image", str(picture), "--prompt", "a robot", *arguments]
        started.append(subprocess.Popen(command, cwd=tmp_path, **streams, **listening))
        return started[-1]

    yield start
    for process in started:
        with process:  # closes its pipes and waits for it
            process.kill()


@pytest.fixture
def finished(example):
    """`finished(...)`: (exit status, what it printed, what it complained of) of a script that has ended."""

    def run(*arguments: str, **where: str) -> tuple[int, str, str]:
        process = example(*arguments, **where)
        printed, complaints = process.communicate(timeout=120)
        return process.returncode, printed, complaints

    return run


@pytest.fixture
def changed_graph(tmp_path):
    """`changed_graph(k_min=0.9)`: a file with the example's graph, its sampler changed so."""

    def write(copies: int = 1, **settings) -> str:
        graph = json.loads(GRAPH.read_text())
        graph["8"]["inputs"].update(settings)
        graph["copies"] = {"class_type": "RepeatLatentBatch", "inputs": {"samples": ["4", 0], "amount": copies}}
        graph["5"]["inputs"]["latent"] = ["copies", 0]
        (tmp_path / "graph.json").write_text(json.dumps(graph))
        return "graph.json"

    return write


def test_a_mix_shows_its_steps_and_saves_the_picture(finished, tmp_path):
    status, printed, progress = finished("mix.py", "--nu", "0.8", "--output", "mixed.png")
    assert (status, printed) == (0, "mixed.png\n")
    assert "step 1 of 22" in progress and progress.endswith("step 22 of 22\n")
    assert Image.open(tmp_path / "mixed.png").size == (SIDES["unet"],) * 2


def test_nu_and_the_prompt_change_the_picture(finished, changed_graph, tmp_path):
    few = changed_graph(steps=FEW)
    for name, settings in {"one": ("--nu", "0.7"), "other": ("--nu", "0.9"), "lion": ("--nu", "0.9", "--prompt", "a lion")}.items():
        assert finished("mix.py", "--graph", few, *settings, "--output", f"{name}.png")[0] == 0
    assert len({Image.open(tmp_path / f"{name}.png").tobytes() for name in ("one", "other", "lion")}) == 3


def test_a_sweep_saves_a_picture_for_each_value(finished, changed_graph, tmp_path):
    status, printed, _ = finished("sweep.py", "--graph", changed_graph(steps=FEW), "--nu", "0.5", "1", "0.5", "--folder", "pictures")
    assert (status, printed.split()) == (0, ["pictures/nu-0.5.png", "pictures/nu-1.png", "pictures/nu-0.5.png"])
    assert len({Image.open(file).tobytes() for file in (tmp_path / "pictures").iterdir()}) == 2


def test_a_refused_graph_is_told_by_node_and_input(finished, tmp_path):
    status, _, complaints = finished("mix.py", "--nu", "1.5")
    assert status == 1
    assert complaints == "\nthe server refused the graph\nMagicMixKSampler (node 8): Value 1.5 bigger than max of 1.0 (nu)\n"
    assert not (tmp_path / "mix.png").exists()


def test_a_failing_node_is_told_with_its_own_words(finished, changed_graph):
    status, _, complaints = finished("mix.py", "--graph", changed_graph(k_min=0.9))
    assert status == 1
    assert complaints == "\nMagicMixKSampler (node 8): k_min must not be above k_max, got k_min 0.9 and k_max 0.85\n"


def test_a_server_that_is_not_there_is_told(finished):
    status, _, complaints = finished("mix.py", server="http://127.0.0.1:9")
    assert status == 1
    assert complaints.startswith("\nno ComfyUI answers at http://127.0.0.1:9: ")


@pytest.mark.parametrize(("script", "values"), [("mix.py", ["0.44"]), ("sweep.py", ["0.44", "0.43", "0.42"])])
def test_ctrl_c_stops_the_script_and_all_that_it_queued(client, plain_graph, example, changed_graph, script, values):
    process = example(script, "--graph", changed_graph(copies=8), "--nu", *values)  # slow steps
    seen = ""
    while "step 3 of" not in seen:
        seen += process.stderr.read(1) or pytest.fail(f"it ended after: {seen}")
    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=30)
    assert process.returncode == 1
    assert complaints.endswith("\nstopped\n") and "Traceback" not in complaints

    after = client.run(plain_graph)
    history = client.http.get("/history", params={"max_items": 2}).json()
    *_, last = (entry for prompt_id, entry in history.items() if prompt_id != after.prompt_id)
    assert last["status"]["messages"][-1][0] == "execution_interrupted"
    assert client.http.get("/queue").json()["queue_pending"] == []
