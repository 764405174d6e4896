"""Layouts made of layouts: two blended, one moved about."""

import torch
from comfy_api.latest import io

from ..magicmix_core.blended_layout import Blend, BlendedLayout
from ..magicmix_core.checks import check_range
from ..magicmix_core.moved_layout import Move, MovedLayout
from .host.layouts import alike_in_size
from .inputs import checked
from .sockets import Layout

TURNS = {"none": 0, "left": 1, "around": 2, "right": 3}


class MagicMixLayoutBlend(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MagicMixLayoutBlend",
            display_name="MagicMix Layout Blend",
            category="MagicMix",
            description="Makes one layout of two: half of each, or one here and the other there.",
            inputs=[
                Layout.Input("first", tooltip="The layout where the share is 0 or the mask is black. It gives the size."),
                Layout.Input(
                    "second",
                    tooltip="The layout where the share is 1 or the mask is white. A picture of another size is scaled to the first's.",
                ),
                io.Float.Input(
                    "share",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="How much of the second layout there is everywhere: 0 = the first alone, 1 = the second alone.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="The share for each place, instead of the number above: black = the first layout, white = the second. Any size; grey edges blend.",
                ),
            ],
            outputs=[
                Layout.Output(
                    "blended_layout",
                    display_name="layout",
                    tooltip="The layout made of both, for whatever takes a layout; edits need one prompt behind both.",
                )
            ],
        )

    @classmethod
    @checked
    def execute(cls, first, second, share: float, mask=None) -> io.NodeOutput:
        first, second = alike_in_size(first, second)
        shares = torch.tensor([[[[share]]]]) if mask is None else mask.reshape(-1, 1, *mask.shape[-2:]).float()
        low, high = (float(bound) for bound in torch.aminmax(shares))
        for bound in (low, high):
            check_range("mask", bound, 0, 1)
        blended = BlendedLayout(first, second, Blend(shares))
        if len(shares) > 1:
            return io.NodeOutput(blended)
        # One of them alone keeps its prompt and all that was kept of it.
        return io.NodeOutput(first if high == 0 else second if low == 1 else blended)


class MagicMixLayoutTransform(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        def shift(name: str, where: str) -> io.Input:
            return io.Float.Input(
                name,
                default=0.0,
                min=-1.0,
                max=1.0,
                step=0.05,
                tooltip=f"How far it moves {where}, as a share of the picture, to whole places of the latent (8 pixels). What comes in goes on as the edge.",
            )

        return io.Schema(
            node_id="MagicMixLayoutTransform",
            display_name="MagicMix Layout Transform",
            category="MagicMix",
            description="Puts a layout where it is wanted: mirrors, turns, scales and shifts it.",
            inputs=[
                Layout.Input("layout", tooltip="The layout to move: from any MagicMix Layout node."),
                io.Boolean.Input("mirror", default=False, tooltip="Swap left and right, before anything else."),
                io.Combo.Input(
                    "turn",
                    options=list(TURNS),
                    default="none",
                    tooltip="left or right: a quarter turn. around: upside down. none: not at all. A picture that is not square changes its format: sample one of that format.",
                ),
                io.Float.Input(
                    "scale",
                    default=1.0,
                    min=0.1,
                    max=4.0,
                    step=0.05,
                    tooltip="How many times as large it becomes, about its middle. Smaller ones get more of their edges around them.",
                ),
                shift("right", "to the right (negative: to the left)"),
                shift("down", "down (negative: up)"),
            ],
            outputs=[Layout.Output("moved_layout", display_name="layout", tooltip="The layout, moved; its prompt stays the same.")],
        )

    @classmethod
    @checked
    def execute(cls, layout, mirror: bool, turn: str, scale: float, right: float, down: float) -> io.NodeOutput:
        move = Move(mirror, TURNS[turn], scale, right, down)
        return io.NodeOutput(layout if move == Move() else MovedLayout(layout, move))
