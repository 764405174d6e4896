"""The real host inside this process, for tests, tools and benchmarks: no server, no files, models with random weights."""

import asyncio
import sys
import uuid
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from comfy_server import PACK, comfyui_path

SD15 = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 320,
    "num_res_blocks": [2, 2, 2, 2],
    "channel_mult": [1, 2, 4, 4],
    "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
    "transformer_depth_middle": 1,
    "context_dim": 768,
    "use_linear_in_transformer": False,
    "adm_in_channels": None,
    "use_spatial_transformer": True,
    "legacy": False,
    "use_temporal_attention": False,
}
"""The UNet of Stable Diffusion 1.5: 860 M parameters."""


def start_host(*arguments: str) -> None:
    """Makes `comfy` and the host's `nodes` importable; they read their `arguments` while they are imported."""
    sys.path.insert(0, str(comfyui_path()))
    sys.argv = ["main.py", *arguments]
    import comfy.options

    comfy.options.enable_args_parsing()
    # The host's nodes.py puts comfy/ on the path, where another `utils` hides this one; main.py imports it first too.
    import utils.install_util  # noqa: F401


def _finished(coroutine: Coroutine) -> Any:
    """What `coroutine` returns; run in a thread of its own, as an open browser holds this one's event loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def load_pack() -> None:
    """Has the host load the pack as it loads any custom node."""
    import nodes

    if not _finished(nodes.load_custom_node(str(PACK))):
        raise RuntimeError("the host could not load the pack")


def pack_nodes() -> dict[str, type]:
    """The loaded pack's nodes by id, in the order in which the pack lists them."""
    import nodes

    module = f"custom_nodes.{PACK.name}"
    return {name: node for name, node in nodes.NODE_CLASS_MAPPINGS.items() if getattr(node, "RELATIVE_PYTHON_MODULE", None) == module}


def pack_schemas() -> dict:
    """The loaded pack's node schemas by node id."""
    return {name: node.GET_SCHEMA() for name, node in pack_nodes().items()}


def node_runner() -> Callable[..., tuple]:
    """`run("NodeId", input=value, ...)`: executes a node of the host or of the loaded pack; returns its outputs, those of the graph in its place too."""
    from comfy_api.latest import io

    import nodes

    _finished(nodes.init_builtin_extra_nodes())

    def run(node_id: str, **inputs: Any) -> tuple:
        node = nodes.NODE_CLASS_MAPPINGS[node_id]
        if issubclass(node, io.ComfyNode):
            output = node.execute(**inputs)
            if isinstance(output, io.NodeOutput):
                return run_in_its_place(output, run) if output.expand else output.result
            return output
        return getattr(node(), node.FUNCTION)(**inputs)

    return run


def run_in_its_place(answer: Any, run: Callable[..., tuple]) -> tuple:
    """The outputs of a node that answers with a graph: runs the graph's nodes by `run`, as the host does."""
    from comfy_execution.graph_utils import is_link

    done: dict[str, tuple] = {}

    def value_of(value: Any) -> Any:
        return done[value[0]][value[1]] if is_link(value) else value

    for node_id, node in answer.expand.items():
        done[node_id] = run(node["class_type"], **{name: value_of(value) for name, value in node["inputs"].items()})
    return tuple(map(value_of, answer.result))


class GraphExecutor:
    """The host's executor of whole graphs, without a server; what it has run it keeps as the host does."""

    client_id = last_node_id = None

    def __init__(self):
        import execution

        kind = execution.CacheType.CLASSIC
        self._executor = execution.PromptExecutor(self, cache_type=kind, cache_args={"lru": 0, "ram": 0})

    def send_sync(self, *arguments) -> None:
        """The executor's messages; nobody is there to hear them."""

    def forget(self) -> None:
        """Lets go of what it has kept, models among it."""
        self._executor.reset()

    def run(self, graph: dict[str, dict]) -> dict[str, dict]:
        """What the output nodes of a graph in API form show, by their ids. Raises RuntimeError for a graph that is refused or goes wrong."""
        import execution

        prompt_id = str(uuid.uuid4())
        valid, error, outputs, problems = _finished(execution.validate_prompt(prompt_id, graph, None))
        if not valid:
            raise RuntimeError(f"{error} {problems}")
        _finished(self._executor.execute_async(graph, prompt_id, execute_outputs=outputs))
        if not self._executor.success:
            raise RuntimeError(self._executor.status_messages[-1][1]["exception_message"])
        return self._executor.history_result["outputs"]


def random_model(family: type, unet_config: dict, outside: dict | None = None):
    """A MODEL of `family` whose weights are random: the host leaves them uninitialised.

    `outside` are the weights around the network that the host wants when it makes the model.
    """
    import comfy.model_management
    import comfy.model_patcher
    import torch

    device = comfy.model_management.get_torch_device()
    config = family(dict(unet_config))
    config.set_inference_dtype(torch.float16 if device.type == "cuda" else torch.float32, None)
    with torch.no_grad():
        model = config.get_model(dict(outside or {}), "", device=device)
    generator = torch.Generator(device).manual_seed(0)
    with torch.no_grad():
        learned = {"pos_embed", "inv_freq"}  # buffers that a checkpoint fills too
        buffers = [(name, buffer) for name, buffer in model.diffusion_model.named_buffers() if name.rpartition(".")[2] in learned]
        for name, weight in [*model.diffusion_model.named_parameters(), *buffers]:
            # Spread so that activations keep their size; norms around one.
            weight.normal_(std=weight[0].numel() ** -0.5 if weight.ndim > 1 else 0.1, generator=generator)
            if weight.ndim == 1 and name.endswith(("norm.weight", "norm.scale")):
                weight.add_(1)
    return comfy.model_patcher.ModelPatcher(model, device, device)
