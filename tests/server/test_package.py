"""The archive that the registry gets: it holds what a user needs and nothing else, and it works alone."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import httpx
import pytest
import yaml
from comfy_client import ComfyClient
from comfy_server import PACK, comfy_server
from nodesafe.scanner import Scanner
from PIL import Image

SHIPPED_FOLDERS = {"demo_model", "docs", "locales", "magicmix_core", "nodes", "subgraphs", "web", "workflows"}
SHIPPED_FILES = {"CHANGELOG.md", "LICENSE", "README.md", "__init__.py", "pyproject.toml"}
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def comfy_node(tmp_path_factory):
    """`comfy_node(command)`: what `comfy node command` says about the pack. It reports to nobody and leaves no settings behind."""
    environment = os.environ | {"HOME": str(tmp_path_factory.mktemp("home")), "DO_NOT_TRACK": "1"}

    def run(command: str) -> str:
        comfy = [sys.executable, "-m", "comfy_cli", "--skip-prompt", "node", command]
        said = subprocess.run(comfy, cwd=PACK, env=environment, capture_output=True, text=True, check=True)
        return said.stdout + said.stderr

    return run


@pytest.fixture(scope="module")
def archive(comfy_node, tmp_path_factory):
    """What `comfy node publish` uploads, named as an installer names the folder."""
    comfy_node("pack")
    name = tomllib.loads((PACK / "pyproject.toml").read_text())["project"]["name"]
    return Path(shutil.move(PACK / "node.zip", tmp_path_factory.mktemp("package") / f"{name}.zip"))


@pytest.fixture(scope="module")
def names(archive):
    return set(zipfile.ZipFile(archive).namelist())


@pytest.fixture(scope="module")
def installed(archive):
    """The URL of a fresh server that has the archive and nothing else of ours."""
    with comfy_server(pack=archive) as address:
        yield address


def test_the_registry_has_nothing_to_say_against_it(comfy_node):
    said = comfy_node("validate")
    assert "All validation checks passed" in said and "warning" not in said.lower()


def test_only_what_a_user_needs_is_shipped(names):
    assert {name.partition("/")[0] for name in names} <= SHIPPED_FOLDERS | SHIPPED_FILES


def test_the_shipped_folders_are_whole(names):
    files = [file for folder in SHIPPED_FOLDERS for file in (PACK / folder).rglob("*") if file.is_file()]
    assert {name for name in names if "/" in name} == {str(file.relative_to(PACK)) for file in files if file.suffix != ".pyc"}


def test_what_the_readme_shows_is_shipped(names):
    linked = [link.partition("#")[::2] for link in re.findall(r"\]\(([^):]+)\)", (PACK / "README.md").read_text())]
    assert linked and {file for file, _ in linked} <= names
    assert [(file, part) for file, part in linked if part and part not in anchors(PACK / file)] == []


def anchors(page: Path) -> set[str]:
    """What a link to a heading of the Markdown `page` says behind its #."""
    return {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)}


def test_it_stays_below_60_megabytes(archive):
    assert archive.stat().st_size < 60 * MEGABYTE


def test_what_nodesafe_finds_is_explained(archive, tmp_path):
    shutil.unpack_archive(archive, tmp_path)
    found = [f"{finding.title} {finding.snippet} {finding.explanation}" for finding in Scanner().scan(tmp_path).findings]
    explained = [entry["finding"] for entry in tomllib.loads((tmp_path / "pyproject.toml").read_text())["tool"]["nodesafe"]["explained"]]
    assert [text for text in found if not any(re.search(pattern, text, re.DOTALL) for pattern in explained)] == []
    assert [pattern for pattern in explained if not any(re.search(pattern, text, re.DOTALL) for text in found)] == []


def test_publishing_fills_in_the_addresses(tmp_path):
    shutil.copy(PACK / "pyproject.toml", tmp_path)
    steps = yaml.safe_load((PACK / ".github/workflows/publish.yml").read_text())["jobs"]["publish"]["steps"]
    (script,) = (step["run"] for step in steps if "pyproject.toml" in step.get("run", ""))
    environment = os.environ | {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "someone/a-pack"}
    subprocess.run(["/bin/bash", "-e", "-c", script], cwd=tmp_path, env=environment, check=True)
    filled = tomllib.loads((tmp_path / "pyproject.toml").read_text())
    assert filled["project"]["urls"] == {"Repository": "https://github.com/someone/a-pack"}
    address, _, path = filled["tool"]["comfy"]["Icon"].partition("/HEAD/")
    assert address == "https://raw.githubusercontent.com/someone/a-pack"
    assert Image.open(PACK / path).size == (400, 400)


def test_the_demo_graph_runs_from_the_archive_alone(archive, installed):
    graph = json.loads(zipfile.ZipFile(archive).read("workflows/api/image_text.json"))
    with ComfyClient(installed) as client:
        (saved,) = (output["images"][0] for output in client.run(graph).outputs.values() if "images" in output)
        picture = Image.open(io.BytesIO(client.picture(saved))).convert("RGB")
    assert max(high - low for low, high in picture.getextrema()) > 60, "not one flat colour"


def test_its_templates_and_help_pages_are_served(archive, installed, names):
    templates = httpx.get(f"{installed}/workflow_templates").json()[archive.stem]
    assert {f"workflows/{template}.json" for template in templates} <= names and "image_text" in templates
    for page in (Path(name) for name in names if name.startswith("web/docs/")):
        served = httpx.get(f"{installed}/extensions/{archive.stem}/{page.relative_to('web')}")
        assert served.content == (PACK / page).read_bytes()
