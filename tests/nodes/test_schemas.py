"""What people see of the nodes."""

import json
import re
from pathlib import Path

import pytest
from saved_graphs import recorded_schemas

PACK = Path(__file__).parent.parent.parent
HELP = PACK / "web" / "docs"
NODES = list(recorded_schemas())
DEFAULTS = {"steps": 50, "cfg": 7.5, "sampler_name": "euler", "scheduler": "ddim_uniform", "nu": 0.5, "k_max": 0.6, "k_min": 0.3}


def test_defaults_are_the_papers(schemas):
    assert {entry.id: entry.default for entry in schemas["MagicMixKSampler"].inputs if entry.id in DEFAULTS} == DEFAULTS


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
