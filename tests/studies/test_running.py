"""Studies that go well, from the command line: what is drawn, what is said, and what is refused before anything runs."""

import re
import subprocess
import tomllib
from pathlib import Path

import psutil
import pytest
from filelock import FileLock
from magicmix_study.cli import main
from magicmix_study.study_file import load_study
from study_runs import REPOSITORY, bits_of, command, host, rows_of, small_graph

COLOURS = '[[vary]]\nnode = "Colour"\ninput = "color"\nvalues = {values}\n'
LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")


def saved_twice() -> dict:
    """A graph with two nodes that save."""
    other = {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "other"}, "_meta": {"title": "Other"}}
    return small_graph() | {"9": other}


def test_a_study_from_its_first_ten_pictures_over_damage_to_more_than_was_planned(run, study_file, tmp_path):
    def colours(first: int, last: int):
        return study_file('keep = ["Other"]\n' + COLOURS.format(values=list(range(first, last + 1))), saved_twice())

    out = tmp_path / "out"
    status, text = run(colours(1, 20), "out", "--estimate")
    said = r"20 pictures \(20 color\)\n2 workers, ComfyUI [\d.]+\nthe first 10 are drawn; 10 remain, about \d+ s\n"
    assert status == 0 and re.search(said, text), text
    rows = {row["color"]: row for row in rows_of(out).values()}
    assert sorted(rows) == list(range(1, 21, 2)), "spread over the study"
    assert all([file["node"] for file in row["files"]] == ["9"] for row in rows.values()), "only what is to be kept"
    bits = bits_of(out)

    cut, gone = (out / rows[colour]["files"][0]["path"] for colour in (5, 7))
    cut.write_bytes(cut.read_bytes()[:50])
    gone.unlink()
    status, text = run(colours(3, 23))
    assert status == 0 and "2 damaged: to be drawn again" in text and "7 of 21 were drawn earlier; 14 remain, about" in text, text
    after = {row["color"]: row for row in rows_of(out).values()}
    assert {colour: row["number"] for colour, row in after.items()} == {1: None} | {colour: colour - 3 for colour in range(3, 24)}
    assert {colour for colour in rows if after[colour]["started"] != rows[colour]["started"]} == {5, 7}, "nothing else is drawn twice"
    assert bits.items() <= bits_of(out).items()

    wanted = after[9]["id"]
    status, text = run(tmp_path / "study.toml", "again", "--only", wanted)
    assert status == 0, text
    (file,) = (tmp_path / "again").glob("pictures/*/*.png")
    assert str(file) in text and [file.read_bytes()] == bits[wanted]


def test_a_study_of_which_nothing_can_be_drawn_stops_at_once(run, study_file, servers):
    text = '[[vary]]\nnode = "Faulty"\ninput = "number"\nname = "item"\nvalues = [13]\n' + COLOURS.format(values=list(range(30)))
    status, output = run(study_file(text), on=servers[:1])
    assert status == 1 and "none of the first 10 could be drawn: Faulty (node 2): thirteen cannot be drawn" in output, output


def test_what_the_server_refuses_is_said_before_anything_runs(run, study_file, servers, tmp_path):
    text = '[[vary]]\nnode = "Faulty"\ninput = "number"\nname = "item"\nvalues = [1, 2000]'
    study = study_file(text, small_graph() | {"5": {"class_type": "NoSuchNode", "inputs": {}}})
    status, output = run(study, on=servers[:1])
    assert status == 1, output
    assert f"{study}:1: the server has no node 'NoSuchNode'\n{study}:2: Faulty: number must lie between 0 and 1000, got 2000\n" in output
    assert not list((tmp_path / "out").glob("pictures/*"))


def test_a_server_that_is_not_there_is_said(run, study_file):
    status, output = run(study_file(COLOURS.format(values=[1])), on=["http://127.0.0.1:9"])
    assert status == 1 and "no ComfyUI answers at http://127.0.0.1:9" in output and "Traceback" not in output, output


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """`refused(study, ...)`: what `run` with these arguments says, which leaves nothing behind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMFYUI_PATH", raising=False)

    def said(study: Path, *arguments: object) -> str:
        try:
            status = main(["run", str(study), "--out", "out", *map(str, arguments)])
        except SystemExit as error:
            status = error.code
        assert status and not Path("out").exists()
        return capsys.readouterr().err

    return said


def test_a_mistake_is_said_as_compilers_do(refused, study_file):
    study = study_file(COLOURS.replace("Colour", "Color").format(values=[1]))
    said = f"{study}:3: the graph has no node with the title or type 'Color'; did you mean 'Colour'?\n"
    assert refused(study, "--server", "http://127.0.0.1:9") == said


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "say --comfy with a ComfyUI's folder, or --server"),
        (["--server", "http://a", "--workers", "2", "--count"], "--count, --workers: for ComfyUIs that a study starts"),
        (["--comfy", host(), "--nodes", "nowhere"], "--nodes nowhere: no such folder"),
        (["--comfy", "."], "no main.py there, so no ComfyUI"),
        (["--server", "127.0.0.1:8188"], "must begin with http:// or https://"),
        (["--server", "http://a", "--server", "http://a/"], "--server names a server twice"),
        (["--workers", "0", "--comfy", "."], "must be a whole number of 1 or more, got '0'"),
    ],
)
def test_options_that_cannot_be_meant_are_said(refused, study_file, arguments, text):
    assert text in refused(study_file(COLOURS.format(values=[1])), *arguments)


def test_two_runs_in_one_folder_are_refused(study_file, tmp_path):
    (tmp_path / "out").mkdir()
    run = command("run", study_file(COLOURS.format(values=[1])), "--out", "out", "--server", "http://127.0.0.1:9")
    with FileLock(tmp_path / "out" / ".lock"):
        ended = subprocess.run(run, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ended.returncode == 1 and "another run works on out" in ended.stderr


def test_nothing_listens_to_other_machines(servers, ray_address):
    """Ray, its workers and the ComfyUIs that a study starts."""
    listening = {}
    for process in psutil.Process().children(recursive=True):
        for connection in process.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN:
                listening.setdefault(connection.laddr.ip, set()).add(process.name())
    ports = {int(url.rpartition(":")[2]) for url in servers}
    found = [
        connection
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port in ports
    ]
    assert len(found) == 2 and {connection.laddr.ip for connection in found} <= set(LOOPBACK)
    assert {"raylet", "gcs_server"} <= {name for names in listening.values() for name in names} and listening.keys() <= set(LOOPBACK), (
        listening
    )


def test_the_package_takes_all_its_files_along():
    project = tomllib.loads((REPOSITORY / "studies" / "pyproject.toml").read_text())["tool"]["setuptools"]
    package = REPOSITORY / "studies" / "magicmix_study"
    folders = {file.parent for file in package.rglob("*.py")}
    assert {str(folder.relative_to(package.parent)).replace("/", ".") for folder in folders} == set(project["packages"])
    others = {file.name for file in package.rglob("*") if file.is_file() and file.suffix not in (".py", ".pyc")}
    assert others == set(project["package-data"]["magicmix_study"])


def test_nothing_of_the_pack_needs_it():
    """ComfyUI never loads a study's code."""
    shipped = [file for folder in ("nodes", "magicmix_core", "demo_model") for file in (REPOSITORY / folder).rglob("*.py")]
    assert shipped and not any(
        "magicmix_study" in file.read_text() or "import ray" in file.read_text() for file in [*shipped, REPOSITORY / "__init__.py"]
    )


def test_the_example_study_is_two_hundred_pictures():
    assert len(load_study(REPOSITORY / "studies" / "demo.toml", REPOSITORY).space) == 200
