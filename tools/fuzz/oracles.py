"""What must hold whatever is queued: failures speak the user's language, and sane graphs give the bits they gave at first."""

import hashlib
import re
from pathlib import Path

from comfy_server import comfyui_path
from queueing import BusyQueue, Ending
from safetensors.torch import load

ALLOWED = {"ValueError", "comfy.model_management.InterruptProcessingException", "torch.OutOfMemoryError"}
NO_INPUT = "is no input of this node"
DEMO, SETTINGS = "MagicMixDemoCheckpoint", {"seed": 3, "steps": 4, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal"}
MIXING = {"nu": 0.6, "k_max": 0.9, "k_min": 0.2}


def complaint(ending: Ending, pack: dict[str, list[str]], folder: Path) -> str | None:
    """What is wrong with how a graph ended, or None.

    `pack` has the input names of each of our nodes, `folder` our files. Wherever an error comes out of a node of ours, and wherever our
    code is what raises it inside a node of the host, it must be a ValueError whose message begins with words about an input. What another
    node has put into the model may fail in ours as it fails in the core's.
    """
    if ending.kind == "ran":
        return None
    error = ending.error
    ours = error.get("node_type") in pack
    if ending.kind == "stuck":
        return f"{error['node_type']} was still running when the patience was over" if ours else None
    raised_in = last_file(error["traceback"])
    if "comfy_extras" in raised_in.parts or not (ours or is_ours(raised_in, folder)):
        return None
    message = error["exception_message"].strip()
    names = pack[error["node_type"]] if ours else {name for inputs in pack.values() for name in inputs}
    said = f"{error['exception_type']} out of {error['node_type']}: {message[:300]}"
    if error["exception_type"] not in ALLOWED:
        return said
    named = NO_INPUT in message or any(re.search(rf"\b{name}\b", message) for name in names)
    if error["exception_type"] == "ValueError" and not named:
        return f"{said} (names no input)"
    return None


def last_file(traceback: list[str]) -> Path:
    """Where the last frame lies, as the host prints them, that is neither a library's nor Python's own; nowhere if there is none."""
    files = [Path(found[1]).resolve() for frame in traceback if (found := re.match(r'\s*File "([^"]+)"', frame))]
    files = [file for file in files if "site-packages" not in file.parts and not any(part.startswith("python3") for part in file.parts)]
    return files[-1] if files else Path()


def is_ours(file: Path, folder: Path) -> bool:
    """Whether a file lies in our `folder`, in which the host may lie too."""
    return file.is_relative_to(folder) and not file.is_relative_to(comfyui_path().resolve())


def reference_graphs() -> dict[str, dict]:
    """A graph for each method by its name; the plain one, which has nothing of ours but the checkpoint, comes first."""
    base = {
        "demo": {"class_type": DEMO, "inputs": {}},
        "dog": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["demo", 1], "text": "a dog on grass"}},
        "lion": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["demo", 1], "text": "a lion on grass"}},
        "nothing": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["demo", 1], "text": ""}},
        "size": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
    }
    asked = {"model": ["demo", 0], "positive": ["lion", 0], "negative": ["nothing", 0]}
    path = {"model": ["demo", 0], "positive": ["dog", 0], "negative": ["nothing", 0], "latent": ["size", 0], **SETTINGS}
    path = {"class_type": "MagicMixLayoutFromPrompt", "inputs": path}
    core = {"latent_image": ["size", 0], "denoise": 1.0, **SETTINGS}
    edit = {
        "model": ["demo", 0],
        "clip": ["demo", 1],
        "layout": ["path", 0],
        "source_text": "a dog on grass",
        "target_text": "a lion on grass",
    }
    edit |= {"edit": "auto", "cross_steps": 0.8, "self_steps": 0.4}

    def saved(node: dict, output: str = "drawn", **more) -> dict:
        latent = {
            "class_type": "SaveLatent",
            "inputs": {"samples": [output, 0 if output == "drawn" else 1], "filename_prefix": "reference"},
        }
        return base | more | ({"drawn": node} if node else {}) | {"saved": latent}

    def sampled(class_type: str, **inputs) -> dict:
        return {"class_type": class_type, "inputs": asked | inputs}

    weights = {"model": ["demo", 0], "clip": ["demo", 1], "text": "a lion on grass", "words": "lion", "scale": -0.5}
    watch = {"model": ["demo", 0], "clip": ["demo", 1], "text": "a lion on grass", "words": "", "resolution": "8"}
    invert = {"model": ["demo", 0], "positive": ["dog", 0], "latent": ["first", 0], "steps": 4, "scheduler": "normal", "refinements": 1}
    maps = {
        **{"drawn": sampled("KSampler", **core | {"model": ["watch", 0]}), "watch": {"class_type": "CrossAttnRecord", "inputs": watch}},
        "decoded": {"class_type": "VAEDecode", "inputs": {"samples": ["drawn", 0], "vae": ["demo", 2]}},
        "maps": {
            "class_type": "CrossAttnMaps",
            "inputs": {"recording": ["watch", 1], "images": ["decoded", 0], "opacity": 0.7, "legend": True},
        },
        "saved": {"class_type": "SaveImage", "inputs": {"images": ["maps", 0], "filename_prefix": "reference"}},
    }
    words = {"class_type": "CrossAttnReweight", "inputs": weights}
    swap = {"class_type": "PromptToPrompt", "inputs": edit}
    follow = {
        "class_type": "PlugAndPlayFeatures",
        "inputs": {"model": ["demo", 0], "layout": ["path", 0], "attention_steps": 0.5, "feature_steps": 0.8},
    }
    flow = {"class_type": "ModelSamplingSD3", "inputs": {"model": ["demo", 0], "shift": 3.0}}
    settings = {"seed": 3, "steps": 4, "source_cfg": 2.0, "target_cfg": 4.0, "scheduler": "simple", "k_max": 1.0, "k_min": 0.0}
    asked_twice = {"source": ["dog", 0], "target": ["lion", 0], "negative": ["nothing", 0]}
    flow_edit = {"class_type": "MagicMixFlowEdit", "inputs": {"model": ["flow", 0], "latent": ["first", 0], **asked_twice, **settings}}
    return {
        "plain": saved(sampled("KSampler", **core)),
        "mix": saved(sampled("MagicMixKSampler", layout=["path", 0], **SETTINGS | MIXING), path=path),
        "reweight": saved(sampled("KSampler", **core | {"model": ["edit", 0], "positive": ["edit", 1]}), edit=words),
        "prompt to prompt": saved(sampled("KSampler", **core | {"model": ["edit", 0], "positive": ["edit", 1]}), path=path, edit=swap),
        "plug and play": saved(sampled("KSampler", **core | {"model": ["follow", 0]}), path=path, follow=follow),
        "maps": base | maps,
        "flow edit": saved(flow_edit, flow=flow, first=sampled("KSampler", **core)),
        "inversion": saved(
            {}, "inverted", first=sampled("KSampler", **core), inverted={"class_type": "MagicMixLayoutInversion", "inputs": invert}
        ),
    }


def reference_bits(queue: BusyQueue) -> dict[str, str]:
    """A digest of what each reference graph gives now, or how it failed."""
    bits = {}
    for name, graph in reference_graphs().items():
        ending = queue.ending(queue.queue(graph))
        if ending.kind != "ran":
            bits[name] = f"{ending.kind}: {ending.error.get('exception_message')}"
            continue
        digest = hashlib.sha256()
        for entry in ending.outputs["saved"].get("latents", []) + ending.outputs["saved"].get("images", []):
            digest.update(content(queue.picture(entry), entry["filename"]))
        bits[name] = digest.hexdigest()
    return bits


def content(file: bytes, name: str) -> bytes:
    """The latent's numbers, without the prompt beside them, or the picture's file as it is."""
    return load(file)["latent_tensor"].numpy().tobytes() if name.endswith(".latent") else file
