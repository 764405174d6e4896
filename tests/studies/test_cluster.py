"""Which Ray a study joins."""

from types import SimpleNamespace

import pytest
import ray
from magicmix_study.cluster import ADDRESS, Joined, join


@pytest.fixture
def asked(monkeypatch):
    """What Ray is asked to join, in the place of a cluster that has two GPUs and a dashboard."""
    asked = {}

    def init(**settings):
        asked.update(settings)
        return SimpleNamespace(dashboard_url="head:8265")

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"GPU": 2.0})
    return asked


@pytest.mark.parametrize(("named", "in_environment", "joined"), [("a:1", "b:2", "a:1"), (None, "b:2", "b:2"), ("a:1", None, "a:1")])
def test_a_cluster_is_joined_where_it_is_named_or_else_where_rays_variable_says(asked, monkeypatch, named, in_environment, joined):
    monkeypatch.delenv(ADDRESS, raising=False)
    if in_environment:
        monkeypatch.setenv(ADDRESS, in_environment)
    assert join(named) == Joined(gpus=2, dashboard="head:8265", local=False)
    assert asked["address"] == joined and "num_cpus" not in asked
