"""Networks whose attention goes through the host's one function for it: transformers, with text and picture in one sequence or apart.

The host lets one override of that function be set (`optimized_attention_override`); what another pack has set stands behind ours. Hooks
on the network's blocks, which live for one call, say which attention it is. Rows of layouts enter where the host hands a call to its
network (`APPLY_MODEL`), before any family's own preparation, so that what each prompt brings along is the host's own.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import comfy.patcher_extension
import torch
from torch import Tensor

from ...magicmix_core.kept import Keeping, Kept, KeptLevel
from ...magicmix_core.plug_and_play import Structure
from ...magicmix_core.steered_attention import ALL, cross_attention, joint_attention, self_attention
from ...magicmix_core.steered_call import Call
from ...magicmix_core.steering import Drawing, Layer, Reads
from .source_rows import SourceRows, pad_control, rows_of, with_concepts

OVERRIDE = "optimized_attention_override"
UNSEEN = -1
"""The level of layers whose maps are not looked at."""


@dataclass(frozen=True)
class Site:
    """A module inside which attention happens: the kinds of its successive calls, joint, cross or itself; empty for one left alone."""

    module: torch.nn.Module
    block: int
    calls: tuple[str, ...]
    watched: bool = False


@dataclass(frozen=True)
class Tokens:
    """Where tokens stand in a joint attention."""

    text: slice
    picture: slice


@dataclass(frozen=True)
class Family:
    """What is to be known of one kind of network.

    `sites(network)` are its modules that attend; `patch(network)` how many latent pixels a token has along a side; `tokens(network,
    columns, places)` where text of so many columns and a picture of so many places stand; `blocks` which hold structure by default, by
    the number of blocks that there are; `least_text(network)` to how many tokens the host fills a text in front. Where the
    text is `masked`, prompts of a run are masked each in its own way, and none can look as another does. `stand_ins` are by their class
    modules whose attention does not know of a call's transformer_options, and what they do for one call: `(module, options, *inputs)`.
    `text(prepared)` counts the columns of text that a call has by what the host has prepared for it, and raises ValueError where they
    cannot be told. `concepts` says whether tokens behind an encoding stand behind all text.
    """

    name: str
    sites: Callable[[Any], list[Site]]
    patch: Callable[[Any], int]
    tokens: Callable[[Any, int, int], Tokens]
    blocks: dict[int, str] = field(default_factory=dict)
    least_text: Callable[[Any], int] = lambda network: 0
    masked: bool = False
    stand_ins: Mapping[type, Callable] = field(default_factory=dict)
    text: Callable[[dict], int] = lambda prepared: prepared["c_crossattn"].shape[1]
    concepts: bool = True


class Cursor:
    """Which attention of a call comes next, as hooks and the override tell it."""

    def __init__(self):
        self.site: Site | None = None
        self.seen = 0

    def enter(self, site: Site, module, inputs) -> None:
        self.site, self.seen = site, 0

    def leave(self, site: Site, module, inputs, out) -> None:
        """Raises ValueError where another pack attends in the host's stead, so that nothing could be steered."""
        if self.seen != len(site.calls):
            raise _replaced(site)
        self.site = None

    def next(self) -> str:
        """The kind of the attention that is being called; empty where it is left alone."""
        if self.site is None:
            return ""
        self.seen += 1
        return self.site.calls[self.seen - 1] if self.seen <= len(self.site.calls) else ""


def _replaced(site: Site) -> ValueError:
    return ValueError(
        f"model: attention in block {site.block} does not go through ComfyUI's, so it cannot be steered: take out the node that replaces it"
    )


class Transformer:
    """A network of one of the families, as ways of steering see it."""

    def __init__(self, network, family: Family):
        self.network, self.family = network, family
        self.sites = family.sites(network)

    @staticmethod
    def scaled(model_sampling, sigma: float, latent: Tensor) -> Tensor:
        """A latent at a noise level, as it comes to where calls are taken hold of."""
        return latent

    @property
    def structure(self) -> Structure:
        """What Plug-and-Play can take: attention of the picture's places, in blocks of the network's own order."""
        attending = frozenset(site.block for site in self.sites if site.block >= 0 and {"joint", "itself"} & set(site.calls))
        count = max(attending) + 1
        return Structure("block", count, attending, self.family.blocks.get(count, f"0-{count - 1}"), None)

    def drawing(self, noise: Tensor) -> Drawing:
        """What a run draws whose latents have the size of `noise` `[B, C, H, W]`. All layers see it at one size: none is too fine."""
        height, width = noise.shape[-2:]
        return Drawing((height, width), [0], height * width * (noise.shape[2] if noise.ndim == 5 else 1), self._columns)

    def _columns(self, width: int) -> range:
        least = self.family.least_text(self.network)
        return range(max(0, least - width), max(least, width))

    def install(self, options: dict, call_of: Callable, kinds: frozenset[str], sourced: bool) -> tuple[str, Callable]:
        """The kind of wrapper that a call goes through, and the wrapper. Raises ValueError for what this family does not allow."""
        if self.family.masked and (kinds & {"watch", "concepts"} or (sourced and "cross" in kinds)):
            raise ValueError(
                f"model: {self.family.name} masks what is behind a prompt, so maps and Prompt-to-Prompt do not work with it; Cross-Attn Reweight and Plug-and-Play do"
            )
        if "concepts" in kinds and not self.family.concepts:
            raise ValueError(
                f"model: {self.family.name} reads a prompt by several text encoders, so maps of concepts do not work with it; those of the prompt's words do"
            )
        return comfy.patcher_extension.WrappersMP.APPLY_MODEL, partial(self._apply, call_of)

    # A compiled model runs such calls as they are: what steers them differs in every one, and each would be compiled anew.
    @torch.compiler.disable
    def _apply(
        self,
        call_of: Callable,
        executor,
        x: Tensor,
        t: Tensor,
        c_concat=None,
        c_crossattn=None,
        control=None,
        transformer_options=None,
        **more,
    ) -> Tensor:
        prepared = {"c_concat": c_concat, "c_crossattn": c_crossattn, **more}

        def read_apart(source: SourceRows, sigma: float, reads: Reads) -> KeptLevel | None:
            """What a source gives in a call of its own, where its prompt cannot stand in rows beside the others, being of another length."""
            conds = source.conds(x)
            if all(_stacks(value, conds.get(name)) for name, value in prepared.items()):
                return None
            kept = Kept(reads, on_cpu=False)
            keeping = Keeping(kept).begin(0, 0, self.drawing(x))
            call = Call(sigma, 0, source.count, lambda share: True, {0: [keeping]}, {})
            self._execute(executor, call, source.latent(x, sigma).to(x), t[:1].expand(source.count), None, transformer_options, conds)
            return kept.at(sigma)

        call, sources = call_of(transformer_options, x, read_apart)
        for beside, rows, own, extended in with_concepts(call, transformer_options, c_crossattn):
            x_rows, t_rows, control_rows, given = rows_of([x, t, control, prepared], rows, len(x))
            self._execute(executor, beside, x_rows, t_rows, control_rows, own, given | {"c_crossattn": extended})
        latents = [source.latent(x, call.sigma).to(x) for source in sources]
        conds = [source.conds(x) for source in sources]
        stacked = {name: _stack(value, [each.get(name) for each in conds]) for name, value in prepared.items()}
        levels = torch.cat([t[:1].expand(call.front), t])
        control = pad_control(control, call.front, len(x)) if call.front else control
        return self._execute(executor, call, torch.cat([*latents, x]), levels, control, transformer_options, stacked)[call.front :]

    def _execute(self, executor, call: Call, x: Tensor, t: Tensor, control, options: dict, prepared: dict) -> Tensor:
        """The host's call of the network, with every attention going through what it is steered by."""
        cursor, context = Cursor(), prepared["c_crossattn"]
        height, width = (math.ceil(length / self.family.patch(self.network)) for length in x.shape[-2:])
        frames = x.shape[2] if x.ndim == 5 else 1
        tokens = self.family.tokens(self.network, self.family.text(prepared), frames * height * width)
        attend = partial(self._attend, call, cursor, (frames * height, width), tokens, options.get(OVERRIDE))
        options = {**options, OVERRIDE: attend}
        given = {name: value for name, value in prepared.items() if name not in ("c_concat", "c_crossattn")}
        with self._followed(cursor, options):
            return executor(x, t, prepared.get("c_concat"), context, control, options, **given)

    @contextmanager
    def _followed(self, cursor: Cursor, options: dict) -> Iterator[None]:
        """Inside, `cursor` knows which module attends, and every module asks what `options` say. Raises ValueError for one that
        another pack has replaced."""
        handles, deaf = [], self.sites if self.family.stand_ins else []
        for site in deaf:
            if "forward" in vars(site.module) or type(site.module) not in self.family.stand_ins:
                raise _replaced(site)
        try:
            for site in self.sites:
                handles.append(site.module.register_forward_pre_hook(partial(cursor.enter, site)))
                handles.append(site.module.register_forward_hook(partial(cursor.leave, site)))
            for site in deaf:
                site.module.forward = partial(self.family.stand_ins[type(site.module)], site.module, options)
            yield
        finally:
            for site in deaf:
                vars(site.module).pop("forward", None)
            for handle in handles:
                handle.remove()

    def _attend(self, call: Call, cursor: Cursor, size, tokens: Tokens, previous, func, q, k, v, heads: int, mask=None, *rest, **options):
        """One attention of the network (the host's override): as it is, or as the call is steered."""
        kernel = func if previous is None else partial(previous, func)
        kind = cursor.next()
        acting = {"joint": ("watch", "cross", "itself"), "cross": ("watch", "cross"), "itself": ("itself",)}.get(kind, ())
        told_apart = call.concepts and kind in ("joint", "cross")
        if not told_apart and not any(call.acting[each] for each in acting):
            return kernel(q, k, v, heads, mask, *rest, **options)
        if mask is not None and not self.family.masked:
            raise ValueError(f"model: attention of {self.family.name} is masked here, so it cannot be steered")
        apart, flat = options.pop("skip_reshape", False), not options.pop("skip_output_reshape", False)
        given = q, k, v
        if not apart:  # views, so that what is written into them is written into what was given
            q, k, v = (tensor.view(*tensor.shape[:2], heads, -1).transpose(1, 2) for tensor in given)
        whole = q, k, v

        def attend(q: Tensor, k: Tensor, v: Tensor, rows: slice = ALL, queries: slice = ALL) -> Tensor:
            if all(one is other for one, other in zip((q, k, v), whole, strict=True)):  # laid out as given: kernels round by layout
                return kernel(*given, heads, mask, *rest, skip_reshape=apart, **options)
            return kernel(q, k, v, heads, mask, *rest, skip_reshape=True, **options)

        site = cursor.site
        layer = Layer(("block", site.block, cursor.seen - 1), 0 if site.watched else UNSEEN, size, heads)
        if kind == "joint":
            out = joint_attention(call, layer, tokens.text, tokens.picture, q, k, v, attend)
        elif kind == "cross":
            out = cross_attention(call, layer, q, k, v, attend, attend)
        else:
            out = self_attention(call, layer, q, k, v, attend)
        return out if flat else out.unflatten(-1, (heads, -1)).transpose(1, 2)


def _stacks(value: Any, own: Any) -> bool:
    """Whether what a source brings can stand in rows beside what the host's prompts bring by the same name."""
    if isinstance(value, Tensor):
        return isinstance(own, Tensor) and own.shape[1:] == value.shape[1:]
    if isinstance(value, list):
        return isinstance(own, list) and len(own) == len(value) and all(map(_stacks, value, own))
    return value is None or value == own


def _stack(value: Any, front: list) -> Any:
    """What the host's prompts bring by one name, with what sources bring in front."""
    if not front or value is None:
        return value
    if isinstance(value, list):
        return [_stack(each, [own[number] for own in front]) for number, each in enumerate(value)]
    return torch.cat([*(own.to(value) for own in front), value]) if isinstance(value, Tensor) else value
