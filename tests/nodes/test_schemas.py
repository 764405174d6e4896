"""What people and saved graphs see of the nodes."""

import json
from pathlib import Path

import pytest

PACK = Path(__file__).parent.parent.parent
NU = ["nu", "k_max", "k_min"]
OPTIONAL = ["nu_map", "nu_schedule", "restore_variance"]
RELEASED = {
    "MagicMixLayoutNoise": (["latent", "seed", "noise"], ["layout"]),
    "MagicMixKSampler": (
        ["model", "positive", "negative", "layout", "seed", "steps", "cfg", "sampler_name", "scheduler", *NU, *OPTIONAL],
        ["latent"],
    ),
    "MagicMixSampler": (["sampler", "layout", *NU, *OPTIONAL], ["sampler"]),
    "MagicMixLayoutFromPrompt": (
        ["model", "positive", "negative", "latent", "seed", "steps", "cfg", "sampler_name", "scheduler"],
        ["layout", "latent"],
    ),
    "MagicMixLayoutInversion": (["model", "positive", "latent", "steps", "scheduler", "refinements"], ["layout", "latent"]),
    "CrossAttnReweight": (["model", "clip", "text", "words", "scale"], ["model", "conditioning"]),
    "PromptToPrompt": (
        [
            *("model", "clip", "layout", "source_text", "target_text", "edit", "cross_steps", "self_steps"),
            *("words", "local_blend", "word_steps"),
        ],
        ["model", "conditioning"],
    ),
    "PlugAndPlayFeatures": (
        ["model", "layout", "attention_steps", "feature_steps", "attention_blocks", "feature_blocks"],
        ["model"],
    ),
    "PromptTokens": (["clip", "text"], ["STRING"]),
    "CrossAttnRecord": (["model", "clip", "text", "words", "resolution"], ["model", "recording"]),
    "CrossAttnMaps": (["recording", "images", "opacity", "legend"], ["image"]),
    "ValueGrid": (["x_values", "y_values", "x_name", "y_name"], ["x", "y", "labels", "columns"]),
    "ContactSheet": (["images", "labels", "columns", "title"], ["image"]),
    "MagicMixDemoCheckpoint": ([], ["model", "clip", "vae"]),
}
DEFAULTS = {"steps": 50, "cfg": 7.5, "sampler_name": "euler", "scheduler": "ddim_uniform", "nu": 0.5, "k_max": 0.6, "k_min": 0.3}


def test_the_pack_has_these_nodes(schemas):
    assert set(schemas) == set(RELEASED)


@pytest.mark.parametrize("node_id", RELEASED)
def test_inputs_and_outputs_stay_as_released(schemas, node_id):
    """Saved graphs store widget values by order and links by name."""
    inputs, outputs = RELEASED[node_id]
    assert [entry.id for entry in schemas[node_id].inputs] == inputs
    assert [entry.display_name for entry in schemas[node_id].outputs] == outputs


def test_defaults_are_the_papers(schemas):
    assert {entry.id: entry.default for entry in schemas["MagicMixKSampler"].inputs if entry.id in DEFAULTS} == DEFAULTS


@pytest.mark.parametrize("node_id", RELEASED)
def test_everything_has_a_tooltip_and_the_node_a_description(schemas, node_id):
    schema = schemas[node_id]
    assert schema.description and schema.category == "MagicMix"
    for entry in [*schema.inputs, *schema.outputs]:
        assert entry.tooltip and entry.tooltip.endswith("."), entry.id


@pytest.mark.parametrize("node_id", RELEASED)
def test_every_node_has_a_help_page_that_names_all_its_inputs(schemas, node_id):
    page = (PACK / "web" / "docs" / f"{node_id}.md").read_text()
    for entry in schemas[node_id].inputs:
        assert f"`{entry.id}`" in page, entry.id


@pytest.mark.parametrize("node_id", RELEASED)
def test_every_node_is_in_a_row_of_the_readme_and_in_a_workflow(node_id):
    assert f"| `{node_id}` |" in (PACK / "README.md").read_text()
    graphs = [json.loads(file.read_text()) for file in (PACK / "workflows" / "api").glob("*.json")]
    assert any(node["class_type"] == node_id for graph in graphs for node in graph.values())
