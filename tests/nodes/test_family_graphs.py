"""The graphs for other families of models, run whole by the host's executor, with small random checkpoints through the host's loaders."""

import gc
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import comfy.model_management
import folder_paths
import numpy as np
import pytest
import torch
from closeness import differs
from inprocess import GraphExecutor
from PIL import Image
from safetensors.torch import load_file
from shipped_graphs import WORKFLOWS
from small_checkpoints import FILES, SMALL_LOADERS

import nodes

API = WORKFLOWS / "api"
STEPS = {"image_text": 4, "image_text_custom_sampler": 4, "flow_edit": 4, "word_swap": 2, "heat_maps": 2}
"""As few as let a step be mixed or edited."""
SIDE = 64
GRAPHS = [(family, name) for family in FILES for name in STEPS if (API / f"{name}_{family}.json").is_file()]


@pytest.fixture(scope="module")
def folders(run, tmp_path_factory):
    """The host's folders, moved."""
    base = tmp_path_factory.mktemp("host")
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("checkpoints", "diffusion_models", "text_encoders", "vae"):
            patch.setitem(folder_paths.folder_names_and_paths, kind, ([str(base / kind)], folder_paths.supported_pt_extensions))
        patch.setattr(folder_paths, "output_directory", str(base / "output"))
        patch.setattr(folder_paths, "temp_directory", str(base / "temp"))
        for name, loader in SMALL_LOADERS.items():
            patch.setitem(nodes.NODE_CLASS_MAPPINGS, name, loader)
        yield base


@contextmanager
def files_of(family: str, folders: Path) -> Iterator[GraphExecutor]:
    """An executor for as long as a family's files are there."""
    FILES[family].write(folders)
    executor = GraphExecutor()
    yield executor
    executor.forget()
    for file in folders.glob("*/*.safetensors"):
        file.unlink()
    comfy.model_management.unload_all_models()
    gc.collect()


@pytest.fixture(scope="module")
def executor_of(folders):
    """`executor_of(family)`: the executor where its files are, and no others: they are large."""
    executors = {}
    with ExitStack() as kept:

        def get(family: str) -> GraphExecutor:
            if family not in executors:
                executors.clear()
                kept.close()
                executors[family] = kept.enter_context(files_of(family, folders))
            return executors[family]

        yield get


def pictures(folders: Path, shown: dict) -> np.ndarray:
    (saved,) = shown["images"]
    return np.asarray(Image.open(folders / saved["type"] / saved["filename"]).convert("RGB")).astype(float)


def latent(folders: Path, shown: dict) -> torch.Tensor:
    (saved,) = shown["latents"]
    return load_file(folders / saved["type"] / saved["filename"])["latent_tensor"]


@pytest.mark.parametrize(("family", "name"), GRAPHS)
def test_a_graph_runs_and_shows_what_it_is_for(executor_of, folders, caplog, family, name):
    graph = json.loads((API / f"{name}_{family}.json").read_text())
    for node in graph.values():
        for setting, value in {"steps": STEPS[name], "width": SIDE, "height": SIDE}.items():
            if setting in node["inputs"] and node["class_type"] != "ModelSamplingFlux":
                node["inputs"][setting] = value
    if name == "word_swap":
        for kind, output in (("MagicMixKSampler", 0), ("MagicMixLayoutFromPrompt", 1)):
            (node_id,) = (node_id for node_id, node in graph.items() if node["class_type"] == kind)
            graph[kind] = {"class_type": "SaveLatent", "inputs": {"samples": [node_id, output], "filename_prefix": kind}}
    shown = executor_of(family).run(graph)
    assert [said for said in caplog.messages if said.startswith("MagicMix:")] == []
    by_kind = {graph[node_id]["class_type"]: outputs for node_id, outputs in shown.items()}
    drawn = pictures(folders, by_kind["SaveImage"])
    assert drawn.std() > 5, "not one flat colour"
    if name == "word_swap":
        drawn, layout = (latent(folders, shown[kind]) for kind in ("MagicMixKSampler", "MagicMixLayoutFromPrompt"))
        assert drawn.isfinite().all() and differs(drawn, layout, 1e-4)
    if name == "heat_maps":
        assert all(word in by_kind["PreviewAny"]["text"][0] for word in ("corgi", "coffee", "machine"))
