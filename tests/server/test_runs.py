"""What a run looks like from outside: progress, previews, interrupts, and the same bits every time."""

import io

import pytest
import torch
from comfy_client import ComfyClient, GraphError
from comfy_server import comfy_server
from PIL import Image

EXECUTED = 15  # of 25 steps of ddim_uniform at k_max 0.6


def test_progress_counts_exactly_the_executed_steps(client, mixing_graph, progress):
    run = client.run(mixing_graph(nu=0.51))
    assert progress(run.events) == [(step, EXECUTED) for step in range(1, EXECUTED + 1)]


def test_progress_is_as_truthful_in_sampler_custom_advanced(client, advanced_graph, progress):
    advanced_graph["9"]["inputs"].update(k_max=0.6, k_min=0.3, nu=0.52)
    run = client.run(advanced_graph)
    assert progress(run.events, "13") == [(step, EXECUTED) for step in range(1, EXECUTED + 1)]


def test_a_preview_arrives_for_each_step(client, mixing_graph):
    run = client.run(mixing_graph(nu=0.53))
    assert len(run.previews) == EXECUTED
    assert all(Image.open(io.BytesIO(preview)).size == (512, 512) for preview in run.previews)


def test_both_wirings_give_the_same_bits(client, mixing_graph, advanced_graph, latent_of):
    advanced_graph["9"]["inputs"].update(k_max=0.6, k_min=0.3, nu=0.5)
    in_one = latent_of(client.run(mixing_graph(nu=0.5, sampler_name="dpmpp_2m")))
    assert torch.equal(latent_of(client.run(advanced_graph)), in_one)


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_sde"])
def test_later_queues_give_the_same_bits(client, mixing_graph, plain_graph, latent_of, progress, sampler):
    graph = mixing_graph(sampler_name=sampler, steps=20)
    first = latent_of(client.run(graph))
    for _ in range(2):
        client.run(plain_graph)  # the host forgets what the last graph did not have
        again = client.run(graph)
        assert progress(again.events), "it must not come from the cache"
        assert torch.equal(latent_of(again), first)


def test_a_plain_graph_gives_the_same_bits_before_and_after(client, mixing_graph, plain_graph, latent_of, progress):
    before = latent_of(client.run(plain_graph))
    client.run(mixing_graph(nu=0.4))
    after = client.run(plain_graph)
    assert progress(after.events), "it must not come from the cache"
    assert torch.equal(latent_of(after), before)


def test_an_interrupt_ends_within_one_step_and_leaves_no_trace(client, mixing_graph, plain_graph, latent_of, picture):
    """The graph queued again gives the bits of a fresh server."""
    graph = mixing_graph(nu=0.45, steps=12)
    graph["5"]["inputs"]["latent"] = ["copies", 0]  # slow steps, so that the interrupt comes in the middle
    graph["copies"] = {"class_type": "RepeatLatentBatch", "inputs": {"samples": ["4", 0], "amount": 8}}
    plain = latent_of(client.run(plain_graph))
    seen = []

    def interrupt(kind, data):
        if kind == "progress":
            if data["value"] == 3:
                client.interrupt()
            seen.append(data["value"])

    with pytest.raises(GraphError, match="interrupted") as stopped:
        client.run(graph, interrupt)
    assert stopped.value.details["node_type"] == "MagicMixKSampler"
    assert 3 <= seen[-1] <= 4

    assert torch.equal(latent_of(client.run(plain_graph)), plain)
    again = latent_of(client.run(graph))
    with comfy_server() as fresh, ComfyClient(fresh) as other:
        other.upload(picture)
        assert torch.equal(latent_of(other.run(graph), other), again)
