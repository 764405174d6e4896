"""What goes wrong around a server: files, folders, disks and the server itself. It says so, and the next run is as ever."""

import shutil
import threading

import psutil
import pytest
import torch
from comfy_client import ComfyClient, GraphError
from comfy_server import PACK, comfy_server

SHIPPED = ("__init__.py", "demo_model", "locales", "magicmix_core", "nodes", "pyproject.toml", "web", "workflows")


def process_of(url: str) -> psutil.Process:
    """The server behind a URL."""
    port = url.rpartition(":")[2]
    return next(child for child in psutil.Process().children() if port in child.cmdline())


def files_in(folder) -> dict:
    """Every file with its size and date, but for what Python itself keeps of its imports."""
    files = (file for file in folder.rglob("*") if file.is_file() and file.suffix != ".pyc")
    return {file: (file.stat().st_size, file.stat().st_mtime_ns) for file in files}


@pytest.fixture
def small_graph(mixing_graph):
    return mixing_graph(steps=4)


@pytest.fixture
def drawn(latent_of, picture):
    """`drawn(url, graph)`: the latent that the graph gives on a server."""

    def draw(url, graph):
        with ComfyClient(url) as client:
            client.upload(picture)
            return latent_of(client.run(graph), client)

    return draw


@pytest.fixture(scope="module")
def oddly_named(tmp_path_factory):
    """A copy of the pack that nobody may write to, in a folder with spaces, other letters and a dot in its name."""
    folder = tmp_path_factory.mktemp("packs") / "my Magic.Mix ä 魔法 🦁"
    folder.mkdir()
    for name in SHIPPED:
        copy = shutil.copytree if (PACK / name).is_dir() else shutil.copy
        copy(PACK / name, folder / name)
    for each in (folder, *folder.rglob("*")):
        each.chmod(0o555 if each.is_dir() else 0o444)
    yield folder
    for each in (folder, *folder.rglob("*")):
        each.chmod(0o755 if each.is_dir() else 0o644)


@pytest.fixture(scope="module")
def odd_url(oddly_named):
    """A server that has this copy, and keeps nothing from one run to the next."""
    with comfy_server("--cache-none", pack=oddly_named) as address:
        yield address


@pytest.fixture(scope="module")
def second_url():
    """A server from the same checkout, beside the session's own."""
    with comfy_server() as address:
        yield address


def test_the_pack_works_read_only_in_an_oddly_named_folder(url, odd_url, oddly_named, small_graph, drawn):
    before = files_in(oddly_named)
    assert torch.equal(drawn(odd_url, small_graph), drawn(url, small_graph))
    assert files_in(oddly_named) == before, "nothing is written into it"


@pytest.mark.parametrize("damage", ["truncated", "damaged", "unreadable"])
def test_a_broken_checkpoint_is_named_and_mended_by_a_whole_one(url, odd_url, oddly_named, small_graph, drawn, damage):
    checkpoint, whole = oddly_named / "demo_model" / "magicmix-demo.safetensors", PACK / "demo_model" / "magicmix-demo.safetensors"
    content = whole.read_bytes()
    checkpoint.parent.chmod(0o755)
    checkpoint.unlink()
    if damage == "unreadable":
        checkpoint.mkdir()
    else:
        checkpoint.write_bytes(content[:1_000_000] if damage == "truncated" else content[:200] + b"?" * 200 + content[400:])
    message = "the demo checkpoint magicmix-demo.safetensors is missing or damaged, install the pack again"
    with pytest.raises(GraphError, match=message) as error:
        drawn(odd_url, small_graph)
    assert error.value.details["exception_type"] == "ValueError"

    checkpoint.rmdir() if checkpoint.is_dir() else checkpoint.unlink()
    shutil.copy(whole, checkpoint)
    assert torch.equal(drawn(odd_url, small_graph), drawn(url, small_graph))


def test_a_full_disk_ends_the_run_and_not_the_server(url, small_graph, drawn):
    """A limit on the size of files stands for the disk: what is longer cannot be written to its end."""
    fine = drawn(url, small_graph)
    large = small_graph | {
        "big": {
            "class_type": "ImageScale",
            "inputs": {"image": ["9", 0], "upscale_method": "lanczos", "crop": "disabled", "width": 2048, "height": 2048},
        },
        "save": {"class_type": "SaveImage", "inputs": {"images": ["big", 0], "filename_prefix": "large"}},
    }
    process = process_of(url)
    unlimited = process.rlimit(psutil.RLIMIT_FSIZE)
    process.rlimit(psutil.RLIMIT_FSIZE, (500_000, unlimited[1]))
    try:
        with pytest.raises(GraphError, match="SaveImage .*File too large"):
            drawn(url, large)
    finally:
        process.rlimit(psutil.RLIMIT_FSIZE, unlimited)
    assert torch.equal(drawn(url, small_graph), fine)
    assert drawn(url, large).isfinite().all()


def test_a_server_that_was_killed_gives_the_same_bits_when_started_again(url, request, small_graph, drawn, picture, mixing_graph):
    with comfy_server() as doomed, ComfyClient(doomed) as client:
        client.upload(picture)

        def kill(kind, data):
            if kind == "progress" and data["value"] == 3:
                process_of(doomed).kill()

        with pytest.raises(ConnectionError, match="ComfyUI went away before the graph ended"):
            client.run(mixing_graph(steps=2000), kill)
    assert torch.equal(drawn(request.getfixturevalue("second_url"), small_graph), drawn(url, small_graph))


def test_two_servers_share_one_checkout(url, second_url, mixing_graph, drawn):
    graph, results, together = mixing_graph(steps=40), {}, threading.Barrier(2)

    def draw(server):
        together.wait()
        results[server] = drawn(server, graph)

    threads = [threading.Thread(target=draw, args=[server]) for server in (url, second_url)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torch.equal(results[url], results[second_url])
