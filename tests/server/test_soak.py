"""A short soak: what runs leave behind in the server, once nothing that is cached can hold it. See tools/soak."""

from comfy_server import comfy_server
from soak import COUNTING_NODES, soak


def test_nothing_of_a_run_stays_alive_that_no_cached_output_holds():
    with comfy_server("--cache-lru", "3", extra_nodes=[COUNTING_NODES]) as url:
        seen = soak(url, count=30, seed=2)
    assert not seen.left
    assert seen.endings["ran"] > 20 and not seen.endings["stuck"]
