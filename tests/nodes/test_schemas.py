"""What people see of the nodes."""

import json
import re
from pathlib import Path

import pytest
from saved_graphs import recorded_schemas

PACK = Path(__file__).parent.parent.parent
HELP = PACK / "web" / "docs"
NODES = list(recorded_schemas())
DEFAULTS = {"steps": 50, "cfg": 7.5, "sampler_name": "euler", "scheduler": "ddim_uniform", "k_max": 0.6, "k_min": 0.3}


def test_defaults_are_the_papers(schemas):
    assert {entry.id: entry.default for entry in schemas["MagicMixKSampler"].inputs if entry.id in DEFAULTS} == DEFAULTS


def test_other_defaults_are_the_benchmarks(schemas):
    found = {
        (node_id, entry.id): entry.default for node_id in NODES for entry in schemas[node_id].inputs if entry.id in ("nu", "refinements")
    }
    assert found == {("MagicMixKSampler", "nu"): 0.85, ("MagicMixSampler", "nu"): 0.85, ("MagicMixLayoutInversion", "refinements"): 0}


@pytest.mark.parametrize("node_id", NODES)
def test_everything_has_a_tooltip_and_the_node_a_description(schemas, node_id):
    schema = schemas[node_id]
    assert schema.description and schema.category == "MagicMix"
    for entry in [*schema.inputs, *schema.outputs]:
        assert entry.tooltip and entry.tooltip.endswith("."), entry.id


@pytest.mark.parametrize("node_id", NODES)
def test_every_node_has_a_help_page_that_names_all_its_inputs(schemas, node_id):
    page = (HELP / f"{node_id}.md").read_text()
    for entry in schemas[node_id].inputs:
        assert f"`{entry.id}`" in page, entry.id


def said_of(schemas, node_id, name):
    """Tooltip and line of the help page of an input."""
    (tooltip,) = [entry.tooltip for entry in schemas[node_id].inputs if entry.id == name]
    (line,) = [line for line in (HELP / f"{node_id}.md").read_text().splitlines() if line.startswith(f"* `{name}`")]
    return tooltip, line


@pytest.mark.parametrize("node_id", NODES)
def test_outputs_are_called_by_what_they_are_not_by_their_type(schemas, node_id):
    assert not [entry.display_name for entry in schemas[node_id].outputs if entry.display_name.isupper()]


@pytest.mark.parametrize("node_id", ["MagicMixKSampler", "MagicMixSampler"])
def test_both_samplers_name_all_sources_of_a_layout(schemas, node_id):
    for text in said_of(schemas, node_id, "layout"):
        assert all(source in text for source in ("MagicMix Layout Noise", "Layout From Prompt", "Layout Inversion"))


@pytest.mark.parametrize("name", ["k_max", "k_min"])
def test_the_window_is_counted_on_the_training_timesteps(schemas, name):
    tooltips = [entry.tooltip for node in ("MagicMixKSampler", "MagicMixSampler") for entry in schemas[node].inputs if entry.id == name]
    assert len(tooltips) == 2 and all("fraction of the training timesteps" in tooltip for tooltip in tooltips)


def test_local_blend_says_which_sampling_it_needs(schemas):
    for text in said_of(schemas, "PromptToPrompt", "local_blend"):
        assert all(words in text.replace("`", "") for words in ("MagicMix", "k_max 1", "k_min 0", "same layout as here"))


@pytest.mark.parametrize("node_id", NODES)
def test_every_help_page_has_a_picture_advice_and_a_source(node_id):
    page = (HELP / f"{node_id}.md").read_text()
    pictures = re.findall(r"^!\[.+\]\((pictures/\w+\.jpg)\)$", page, re.MULTILINE)
    assert pictures and all((HELP / picture).is_file() for picture in pictures)
    assert "\n## When it does not do what you want\n" in page and re.search(r"^Sources?: ", page, re.MULTILINE)


@pytest.mark.parametrize("node_id", NODES)
def test_every_node_is_in_a_row_of_the_readme_and_in_a_workflow(node_id):
    assert f"| `{node_id}` |" in (PACK / "README.md").read_text()
    graphs = [json.loads(file.read_text()) for file in (PACK / "workflows" / "api").glob("*.json")]
    assert any(node["class_type"] == node_id for graph in graphs for node in graph.values())
