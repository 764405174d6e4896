"""Wrong input through the API: refused with a message that names it, before any sampling, and the server lives on."""

import pytest
from comfy_client import GraphError

NAN, INF = float("nan"), float("inf")


def refused(client, graph) -> tuple[str, str]:
    """(the input or type of the refusal, its message), after checking that nothing was sampled."""
    sampled = []
    with pytest.raises(GraphError) as error:
        client.run(graph, lambda kind, data: sampled.append(data) if kind == "progress" else None)
    assert not sampled
    details = error.value.details
    if "node_errors" in details:
        (node,) = details["node_errors"].values()
        (first, *_) = node["errors"]
        return first["extra_info"]["input_name"], first["type"]
    return details["exception_type"], details["exception_message"]


@pytest.fixture(autouse=True)
def server_lives_on(client, plain_graph):
    yield
    assert client.run(plain_graph).outputs


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"nu": 1.5}, "value_bigger_than_max"),
        ({"nu": -0.1}, "value_smaller_than_min"),
        ({"nu": INF}, "value_bigger_than_max"),
        ({"k_max": 2.0}, "value_bigger_than_max"),
        ({"steps": 0}, "value_smaller_than_min"),
        ({"steps": "many"}, "invalid_input_type"),
    ],
)
def test_numbers_outside_their_range_are_refused_when_queued(client, mixing_graph, settings, kind):
    assert refused(client, mixing_graph(**settings)) == (*settings, kind)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"nu": NAN}, "nu must lie in [0, 1], got nan"),
        ({"k_min": NAN}, "k_min must lie in [0, 1], got nan"),
        ({"k_min": 0.7}, "k_min must not be above k_max, got k_min 0.7 and k_max 0.6"),
    ],
)
def test_what_the_server_lets_through_is_refused_by_the_node(client, mixing_graph, settings, message):
    kind, said = refused(client, mixing_graph(**settings))
    assert kind == "ValueError" and said.startswith(message)


@pytest.mark.parametrize(
    ("node", "setting", "message"),
    [
        ("8", {"sampler_name": "eulre"}, "sampler_name must be one of euler"),
        ("8", {"scheduler": "even"}, "scheduler must be one of simple"),
        ("8", {"nu_schedule": "steep"}, "nu_schedule must be one of constant, linear, cosine"),
        ("5", {"noise": "loud"}, "noise must be one of shared, independent; got 'loud'"),
    ],
)
def test_an_unknown_choice_is_refused_by_the_node_or_by_a_newer_server(client, mixing_graph, node, setting, message):
    graph = mixing_graph()
    graph[node]["inputs"].update(setting)
    kind, said = refused(client, graph)
    assert (kind, said) == (*setting, "value_not_in_list") or said.startswith(message)


def test_nothing_connected_is_refused_when_queued(client, mixing_graph):
    graph = mixing_graph()
    del graph["8"]["inputs"]["layout"]
    assert refused(client, graph) == ("layout", "required_input_missing")


def test_a_latent_is_no_layout(client, mixing_graph):
    graph = mixing_graph(layout=["4", 0])
    assert refused(client, graph) == ("layout", "return_type_mismatch")


def test_a_latent_with_nan_is_refused(client, mixing_graph):
    graph = mixing_graph()
    graph["broken"] = {"class_type": "LatentMultiply", "inputs": {"samples": ["4", 0], "multiplier": NAN}}
    graph["5"]["inputs"]["latent"] = ["broken", 0]
    assert refused(client, graph)[1].startswith("latent must hold finite numbers only, got 400 of 400 that are NaN or infinite")


def test_a_layout_of_another_channel_count_is_refused(client, mixing_graph):
    graph = mixing_graph()
    graph["sd3"] = {"class_type": "EmptySD3LatentImage", "inputs": {"width": 128, "height": 128, "batch_size": 1}}
    graph["5"]["inputs"]["latent"] = ["sd3", 0]
    assert refused(client, graph)[1].startswith(
        "layout must be a latent of the model's own kind: it is 16 x 16 x 16, the model works on 4 x 16 x 16"
    )


def test_a_layout_of_another_size_is_refused(client, advanced_graph):
    advanced_graph["13"]["inputs"]["latent_image"] = ["wide", 0]
    advanced_graph["wide"] = {"class_type": "EmptyLatentImage", "inputs": {"width": 192, "height": 128, "batch_size": 1}}
    message = "layout must have the size of the latent that is sampled: it is 4 x 10 x 10, the latent is 4 x 16 x 24"
    assert refused(client, advanced_graph)[1].startswith(message)


def test_a_layout_of_another_batch_is_refused(client, advanced_graph):
    advanced_graph["5"]["inputs"]["latent"] = ["two", 0]
    advanced_graph["two"] = {"class_type": "RepeatLatentBatch", "inputs": {"samples": ["4", 0], "amount": 2}}
    advanced_graph["13"]["inputs"]["latent_image"] = ["three", 0]
    advanced_graph["three"] = {"class_type": "RepeatLatentBatch", "inputs": {"samples": ["4", 0], "amount": 3}}
    assert refused(client, advanced_graph)[1].startswith("layout must hold 1 picture or as many as the latent that is sampled, 3; got 2")
