"""Graphs that people saved keep running: nothing they rely on may change. `make snapshot` records what is added."""

import copy

import pytest
from saved_graphs import HOSTS_OWN, breaking_changes, current_schemas, recorded_schemas

RECORDED = {
    "Mixer": {
        "inputs": [
            {"id": "model", "type": "MODEL"},
            {"id": "nu", "type": "FLOAT", "default": 0.5, "min": 0.0, "max": 1.0},
            {"id": "sampler_name", "type": "COMBO", "options": HOSTS_OWN},
            {"id": "nu_schedule", "type": "COMBO", "optional": True, "default": "constant", "options": ["constant", "linear"]},
        ],
        "outputs": [{"id": "x", "type": "FLOAT", "list": True}, {"id": "y", "type": "FLOAT", "list": True}],
    }
}
MODEL, NU, SAMPLER_NAME, NU_SCHEDULE = range(4)


@pytest.fixture(scope="module")
def current(run):
    return current_schemas()


def test_saved_graphs_find_all_that_they_rely_on(current):
    assert breaking_changes(recorded_schemas(), current) == []


def test_all_that_is_new_is_recorded(current):
    assert current == recorded_schemas(), "`make snapshot` records it"


@pytest.fixture
def changed():
    return copy.deepcopy(RECORDED)


def test_a_node_that_is_gone_breaks_graphs():
    assert breaking_changes(RECORDED, {}) == ["Mixer is gone"]


def remove_input(node):
    del node["inputs"][NU]


def rename_input(node):
    node["inputs"][NU]["id"] = "weight"
    node["inputs"][NU]["optional"] = True


def swap_inputs(node):
    node["inputs"][:2] = node["inputs"][1::-1]


def change_type(node):
    node["inputs"][NU]["type"] = "INT"


def require(node):
    del node["inputs"][NU_SCHEDULE]["optional"]


def remove_choice(node):
    node["inputs"][NU_SCHEDULE]["options"] = ["constant", "cosine"]


def list_the_hosts_choices(node):
    node["inputs"][SAMPLER_NAME]["options"] = ["euler"]


def change_optional_default(node):
    node["inputs"][NU_SCHEDULE]["default"] = "linear"


def narrow_range(node):
    node["inputs"][NU] |= {"min": 0.1, "max": 0.9}


def add_a_widget_behind(node):
    node["inputs"][NU]["control_after_generate"] = True


def add_required_input(node):
    node["inputs"].append({"id": "seed", "type": "INT"})


def add_optional_input_in_front(node):
    node["inputs"].insert(NU_SCHEDULE, {"id": "nu_map", "type": "MASK", "optional": True})


def remove_output(node):
    node["outputs"].pop()


def swap_outputs(node):
    node["outputs"].reverse()


def change_output_type(node):
    node["outputs"][0]["type"] = "INT"


def change_list_to_value(node):
    del node["outputs"][1]["list"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (remove_input, ["inputs gone or renamed: nu"]),
        (rename_input, ["inputs gone or renamed: nu"]),
        (
            swap_inputs,
            [
                "inputs must stay in their order and new ones come last:"
                " were model, nu, sampler_name, nu_schedule; are nu, model, sampler_name, nu_schedule"
            ],
        ),
        (change_type, ["input nu was FLOAT, is INT"]),
        (require, ["input nu_schedule was optional, is required"]),
        (remove_choice, ["input nu_schedule lost the choices linear"]),
        (list_the_hosts_choices, ["input sampler_name had choices the host's own, has ['euler']"]),
        (change_optional_default, ["input nu_schedule is left out by some graphs; its default was 'constant', is 'linear'"]),
        (narrow_range, ["input nu allowed 0.0, allows 0.1 at least", "input nu allowed 1.0, allows 0.9 at most"]),
        (add_a_widget_behind, ["input nu gained or lost the widget behind it (control_after_generate)"]),
        (add_required_input, ["input seed is new and must be optional"]),
        (
            add_optional_input_in_front,
            [
                "inputs must stay in their order and new ones come last:"
                " were model, nu, sampler_name, nu_schedule; are model, nu, sampler_name, nu_map, nu_schedule"
            ],
        ),
        (remove_output, ["outputs gone or renamed: y"]),
        (swap_outputs, ["outputs must stay in their order and new ones come last: were x, y; are y, x"]),
        (change_output_type, ["output x was FLOAT, is INT"]),
        (change_list_to_value, ["output y changed between one value and a list"]),
    ],
)
def test_a_change_that_breaks_graphs_is_named(changed, change, said):
    change(changed["Mixer"])
    assert breaking_changes(RECORDED, changed) == [f"Mixer: {line}" for line in said]


def test_what_is_added_breaks_nothing(changed):
    node = changed["Mixer"]
    node["inputs"].append({"id": "nu_map", "type": "MASK", "optional": True})
    node["inputs"][NU_SCHEDULE]["options"].insert(0, "cosine")
    node["inputs"][NU] |= {"min": -1.0, "max": 2.0, "default": 0.7}
    node["outputs"].append({"id": "labels", "type": "STRING"})
    changed["Another"] = {"inputs": [], "outputs": []}
    assert breaking_changes(RECORDED, changed) == []
