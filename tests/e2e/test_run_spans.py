"""The spans of runs: all arrive, except those that a killed pod had not sent yet."""

from __future__ import annotations

import json

import pytest

from tests.e2e.test_run import small
from tests.support.local_cluster import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(500), pytest.mark.built_in]


def test_no_span_is_lost_in_twenty_runs(cluster: Cluster, namespace: str) -> None:
    """Given 20 short runs in one cluster, every second one with a kill, then no trace lacks a span, except
    for spans of the killed pod.
    """
    found = []
    for number in range(20):
        text = small(victim="web") if number % 2 else small()
        done = cluster.spiko("run", "-", "-d", "1", "--json", "-n", namespace, stdin=text)
        report = json.loads(done.stdout)
        traces = report["traces"]
        cut = 0 if number % 2 else traces["cutByKills"]
        found.append((traces["incomplete"], traces["lateSpans"], cut))
        assert report["sources"]["requests"] == traces["traces"] >= 30

    assert [(0, 0, 0)] * 20 == found
