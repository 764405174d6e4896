"""The UNets of Stable Diffusion's kind: where they attend, how rows of layouts enter a call, and which blocks hold structure.

Attention is taken hold of by the host's `patches_replace`: each replacement works on q, k and v and then calls what stood there before,
or the host's kernel. Features are taken by hooks that live for one call.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import comfy.ldm.modules.attention
import comfy.patcher_extension
import torch
from comfy.ldm.modules.diffusionmodules.openaimodel import Downsample, Upsample
from torch import Tensor

from ...magicmix_core.attention import shared_attention
from ...magicmix_core.blocks import feature_block
from ...magicmix_core.plug_and_play import Structure
from ...magicmix_core.steered_attention import cross_attention, self_attention
from ...magicmix_core.steered_call import Call
from ...magicmix_core.steering import Attend, Block, Drawing, Layer, Place
from .families import draws_videos
from .foreign_patches import check_merges_nothing, hide_rows
from .source_rows import SourceRows, pad_control, rows_of, with_concepts

CALL = "magicmix_call"
"""The entry of a UNet call's transformer_options that holds its Call."""
MAP_MAKING = ("attention_basic", "attention_split", "attention_sub_quad")
"""The host's kernels that make attention maps themselves: rows that share a map have it made once instead."""

Replacement = Callable[[Tensor, Tensor, Tensor, dict], Tensor]
CallOf = Callable[[dict, Tensor], tuple[Call, list[SourceRows]]]
"""`(transformer_options, x)`: what a call is steered by, and the sources whose rows go in front of its own."""


class UNet:
    """A network as ways of steering see it: `levels` says of each place that attends how often the picture is halved there.

    A place is named as the host names transformer blocks to patches: (part, block, number in the block).
    """

    def __init__(self, network, levels: dict[Place, int]):
        self.network, self.levels = network, levels

    @classmethod
    def of(cls, network) -> "UNet | None":
        """None for another kind of network, and for one of videos, whose frames are rows that attend to each other."""
        levels = {} if draws_videos(network) else dict(_attention_levels(network))
        return cls(network, levels) if levels else None

    @staticmethod
    def scaled(model_sampling, sigma: float, latent: Tensor) -> Tensor:
        """A latent at a noise level, as it comes to where calls are taken hold of."""
        return model_sampling.calculate_input(torch.tensor([sigma]).to(latent), latent)

    @property
    def structure(self) -> Structure:
        """What Plug-and-Play can take. Raises ValueError where it can take nothing."""
        blocks = self.network.output_blocks
        attending = frozenset(number for number, block in enumerate(blocks) if any(hasattr(layer, "transformer_blocks") for layer in block))
        if not attending:
            raise ValueError("model must have attention in its decoder, which this UNet lacks")
        levels = len(self.network.channel_mult)
        middle = feature_block(levels, len(blocks) // levels)
        return Structure("output", len(blocks), attending, f"{middle}-{len(blocks) - 1}", str(middle))

    def drawing(self, noise: Tensor) -> Drawing:
        """What a run draws whose latents have the size of `noise` `[B, C, H, W]`."""
        return Drawing(tuple(noise.shape[-2:]), self.levels.values())

    def install(self, options: dict, call_of: CallOf, kinds: frozenset[str], sourced: bool) -> tuple[str, Callable]:
        """Has attention go through what calls are steered by, in a run's own transformer_options: where prompts act in these `kinds`,
        and, if they are `sourced`, where another pack has put its own, which is then shown the host's rows only.

        Returns the kind of wrapper that a call goes through, and the wrapper.
        """
        replacements = options.setdefault("patches_replace", {})
        for name, attend, of_interest in (
            ("attn1", _self_attention, {"itself"}),
            ("attn2", _cross_attention, {"watch", "cross", "concepts"}),
        ):
            there = dict(replacements.get(name, {}))
            for place, level in self.levels.items():
                previous = there.get(place) or there.get(place[:2])
                if (kinds & of_interest or (previous and sourced)) and (name == "attn2" or self._attends_to_itself(place)):
                    there[place] = partial(attend, previous, level)
            replacements[name] = there
        if sourced:
            check_merges_nothing(options.get("patches", {}))
        return comfy.patcher_extension.WrappersMP.DIFFUSION_MODEL, partial(self._forward, call_of)

    # A compiled model runs such calls as they are: what steers them differs in every one, and each would be compiled anew.
    @torch.compiler.disable
    def _forward(self, call_of: CallOf, executor, x: Tensor, timesteps, context, y=None, control=None, transformer_options=None, **more):
        call, sources = call_of(transformer_options, x)
        arguments = (x, timesteps, context, y, control, {**transformer_options, CALL: call})
        for beside, rows, own, extended in with_concepts(call, transformer_options, context):
            x_rows, t_rows, y_rows, control_rows, more_rows = rows_of([x, timesteps, y, control, more], rows, len(x))
            executor(x_rows, t_rows, extended, y_rows, control_rows, {**own, CALL: beside}, **more_rows)
        with self._hooked_features(call, chunks=len(transformer_options["uuids"])):
            return _with_rows(sources, call.sigma, executor, *arguments, **more) if sources else executor(*arguments, **more)

    def _attends_to_itself(self, place: Place) -> bool:
        """Some places attend to the prompt twice instead, as the x4 upscaler's at high resolutions."""
        part, number, index = place
        blocks = {"input": self.network.input_blocks, "middle": [self.network.middle_block], "output": self.network.output_blocks}[part]
        layer = next(layer for layer in blocks[number] if hasattr(layer, "transformer_blocks"))
        return not layer.transformer_blocks[index].disable_self_attn

    @contextmanager
    def _hooked_features(self, call: Call, chunks: int) -> Iterator[None]:
        """Inside, prompts look at the residual branches of decoder blocks, and take what these give their sources."""
        handles = []
        for number, (residual, *_) in enumerate(self.network.output_blocks):
            handles += _hooks_on_features(residual, call, ("output", number), chunks)
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def _with_rows(
    sources: list[SourceRows], sigma: float, execute: Callable, x: Tensor, timesteps, context, y, control, options: dict, **more
) -> Tensor:
    """The network's result for the host's rows, called with those of sources in front."""
    inputs = [_inputs(source, x, sigma) for source in sources]
    count = sum(source.count for source in sources)
    options = {**options, "patches": hide_rows(options.get("patches", {}), count, count + x.shape[0])}
    result = execute(
        torch.cat([*(rows for rows, _, _ in inputs), x]),
        torch.cat([timesteps[:1].expand(count), timesteps]),
        _stack([*(rows for _, rows, _ in inputs), context]),
        None if y is None else torch.cat([*(rows for _, _, rows in inputs), y]),
        pad_control(control, count, x.shape[0]),
        options,
        **more,
    )
    return result[count:]


def _inputs(source: SourceRows, x: Tensor, sigma: float) -> tuple[Tensor, Tensor, Tensor | None]:
    """(x, context, y) for a source's rows, in place and dtype of the network's input."""
    conds, rows = source.conds(x), UNet.scaled(source.guider.inner_model.model_sampling, sigma, source.latent(x, sigma))
    concat = [conds["c_concat"].to(rows)] if conds.get("c_concat") is not None else []
    y = conds.get("y")
    if y is not None:
        y = y.to(x) if y.is_floating_point() else y.to(x.device)  # a class label is a whole number
    return torch.cat([rows, *concat], 1).to(x), conds["c_crossattn"].to(x), y


def _stack(contexts: list[Tensor]) -> Tensor:
    """Contexts of unequal widths repeated to one: repeating changes no attention."""
    common = math.lcm(*(context.shape[1] for context in contexts))
    return torch.cat([context if context.shape[1] == common else context.repeat(1, common // context.shape[1], 1) for context in contexts])


def kernel(q: Tensor, k: Tensor, v: Tensor, options: dict) -> Tensor:
    """The host's own attention."""
    return comfy.ldm.modules.attention.optimized_attention(
        q, k, v, options["n_heads"], attn_precision=options["attn_precision"], transformer_options=options
    )


def _cross_attention(previous: Replacement | None, level: int, q: Tensor, k: Tensor, v: Tensor, options: dict) -> Tensor:
    call: Call = options[CALL]
    acting = call.acting["watch"] or call.acting["cross"] or call.concepts
    if not acting and not (call.front and previous):
        return (previous or kernel)(q, k, v, options)
    return cross_attention(
        call, _layer(level, options), q, k, v, partial(kernel, options=options), _all_rows(previous, call.front, options)
    )


def _self_attention(previous: Replacement | None, level: int, q: Tensor, k: Tensor, v: Tensor, options: dict) -> Tensor:
    call: Call = options[CALL]
    if not call.acting["itself"] and not (call.front and previous):
        return (previous or kernel)(q, k, v, options)
    tiles = len(q) // len(k)
    if tiles > 1:  # HyperTile cuts the queries into tiles, and leaves it to the kernel to share out keys and values
        call = call.tiled(tiles)
        k, v = (tensor.reshape(len(q), -1, tensor.shape[-1]) for tensor in (k, v))
    shared = partial(shared_attention, heads=options["n_heads"]) if previous is None and tiles == 1 and _makes_maps(options) else None
    return self_attention(call, _layer(level, options), q, k, v, _all_rows(previous, call.front, options), shared)


def _layer(level: int, options: dict) -> Layer:
    return Layer((*options["block"], options["block_index"]), level, tuple(options["activations_shape"][-2:]), options["n_heads"])


def _all_rows(previous: Replacement | None, front: int, options: dict) -> Attend:
    """How all rows attend: by what another pack has put there, which sees the host's rows only, or by the kernel."""

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if previous is None:
            return kernel(q, k, v, options)
        out = previous(q[front:], k[front:], v[front:], options)
        return torch.cat([kernel(q[:front], k[:front], v[:front], options), out]) if front else out

    return attend


def _makes_maps(options: dict) -> bool:
    chosen = getattr(comfy.ldm.modules.attention.optimized_attention, "__name__", "")
    return chosen in MAP_MAKING and "optimized_attention_override" not in options


def _attention_levels(network) -> Iterator[tuple[Place, int]]:
    """Each place that attends, and how often the picture is halved there; none for another kind of network."""
    level = 0
    middle = [network.middle_block] if getattr(network, "middle_block", None) is not None else []
    for part, blocks in (
        ("input", getattr(network, "input_blocks", ())),
        ("middle", middle),
        ("output", getattr(network, "output_blocks", ())),
    ):
        for number, block in enumerate(blocks):
            for layer in block:
                for index in range(len(getattr(layer, "transformer_blocks", ()))):
                    yield (part, number, index), level
            level += _contains(block, Downsample) - _contains(block, Upsample)


def _contains(block: torch.nn.Module, kind: type) -> bool:
    return any(isinstance(module, kind) for module in block.modules())


def _hooks_on_features(residual: torch.nn.Module, call: Call, block: Block, chunks: int) -> list:
    """Hooks on a residual block, if any prompt looks at its features or takes another's there. What nobody reads is not computed."""

    def look(module, inputs, out: Tensor) -> None:
        for chunk, prompts in call.acting["features"].items():
            for each in prompts:
                each.sees_features(block, call.sigma, out[call.rows(chunk)])

    looking = [residual.out_layers.register_forward_hook(look)] if call.acting["features"] else []
    taking = call.features(block)
    if not taking:
        return looking
    if len(taking) < chunks or len(set(taking.values())) > 1:

        def replace(module, inputs, out: Tensor) -> Tensor:
            out = out.clone()
            for chunk, source in taking.items():
                out[call.rows(chunk)] = call.sources[source].features(block, out)
            return out

        return [*looking, residual.out_layers.register_forward_hook(replace)]

    kept = max(1, call.front)
    (source,) = set(taking.values())

    def cut(module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        return (inputs[0][:kept],)

    def spread(module, inputs, out: Tensor) -> Tensor:
        taken = call.sources[source].features(block, out)
        return torch.cat([out[: call.front], taken.repeat(chunks * call.batch // len(taken), 1, 1, 1)])

    return [
        *looking,
        residual.in_layers.register_forward_pre_hook(cut),
        residual.emb_layers.register_forward_pre_hook(cut),
        residual.out_layers.register_forward_hook(spread),
    ]
