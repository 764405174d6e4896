"""Graphs for the demo checkpoint's transformer: words, maps and structure as in the UNet's, and those that need flow matching."""

from dataclasses import replace

from building import DEMO
from door_graphs import plug_and_play
from flow_graphs import flow_edit
from word_graphs import concept_removal, heat_maps, reweight_sheet, word_swap

from demo_model import SIDES

TRANSFORMER = replace(
    DEMO,
    suffix="_transformer",
    loaders=({"class_type": "MagicMixDemoCheckpoint", "network": "transformer"},),
    side=SIDES["transformer"],
    cfg=3.0,
    remark="\n\nThis one draws with the demo model's transformer, of the Stable Diffusion 3 family.",
    features=False,
    scenes=False,
    edit_steps=0.4,
)
TRANSFORMER_GRAPHS = [
    *((make, TRANSFORMER) for make in (word_swap, reweight_sheet, concept_removal, heat_maps, plug_and_play)),
    (flow_edit, replace(TRANSFORMER, suffix="")),
]
