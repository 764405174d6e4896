"""Two hundred random graphs of a fixed seed, sane and hostile ones: see tools/fuzz."""

import pytest
from comfy_server import comfy_server
from fuzz import HOSTILE_NODES, hunt, random_graph
from queueing import BusyQueue

COUNT, SEED = 200, 1


@pytest.fixture(scope="module")
def hunted():
    """The URL of a server that has the hostile nodes beside the pack."""
    with comfy_server(extra_nodes=[HOSTILE_NODES]) as address:
        yield address


@pytest.fixture(scope="module")
def schemas(hunted):
    with BusyQueue(hunted, 60) as queue:
        return queue.schemas()


@pytest.fixture(scope="module")
def pack(schemas):
    return {name for name, schema in schemas.items() if schema["python_module"] == schemas["ValueGrid"]["python_module"]}


def test_two_hundred_random_graphs_give_no_finding(hunted, pack):
    found = hunt(hunted, COUNT, SEED)
    assert found.findings == [], f"repeat one: tools/fuzz/fuzz.py --seed {SEED} --first NUMBER --count 1"
    assert found.counts["ran"] > COUNT / 4 and found.counts["refused by our nodes"] > COUNT / 20
    assert set(found.nodes) == pack, "every node of the pack is in some graph"


def test_the_same_seed_makes_the_same_graphs(schemas, pack):
    first, again = ([repr(random_graph(SEED, number, schemas, pack)) for number in range(50)] for _ in range(2))
    assert first == again and len(set(first)) == 50
    assert repr(random_graph(SEED + 1, 0, schemas, pack)) != first[0]
