"""A source whose process is stopped: its wait is in the response times, and no due request is lost."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from spiko_nanoservice.telemetry.histograms import add_encoded, new_histogram
from tests.support.architectures import shop
from tests.support.eureka_reader import read_all
from tests.support.local_cluster import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.built_in]
RATE = 100


def read_source(cluster: Cluster, namespace: str) -> tuple[int, int, Any]:
    """Return the requests of the source, those that it could not send, and its response times."""
    requests, not_sent, histogram = 0, 0, new_histogram()
    for totals in read_all(cluster, namespace, "totals"):
        for edge in totals["edges"]:
            if edge["from"][0] == "www":
                requests += edge["ok"] + edge["miss"] + sum(edge["errors"].values())
                if "response" in edge:
                    add_encoded(histogram, edge["response"])
        not_sent += sum(entry.get("not_sent", 0) for entry in totals["served"] if entry["at"][0] == "www")
    return requests, not_sent, histogram


def test_a_stopped_source_reports_waits_and_unsent_requests(cluster: Cluster, namespace: str) -> None:
    """Given a source at 100 requests/s, when its process is stopped for 4 s, then the requests of about 3 s
    are counted as not sent, and the others with their wait of up to a second; the eureka gets both, although
    it has ended the session meanwhile.
    """
    cluster.apply(shop(rate=RATE), namespace)
    cluster.until_settled("shop", namespace)
    cluster.until("traffic", lambda: read_source(cluster, namespace)[0] > RATE)
    (pid,) = [pid for name, pid in cluster.pod_pids(namespace).items() if name.startswith("shop-www")]
    began = time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    time.sleep(4.0)
    os.kill(pid, signal.SIGCONT)
    stopped_s = time.monotonic() - began
    cluster.until("the report", lambda: read_source(cluster, namespace)[1] > 0)
    requests, not_sent, histogram = read_source(cluster, namespace)

    assert RATE * 2.9 <= not_sent <= RATE * (stopped_s - 1.0) + 20
    assert histogram.get_max_value() >= 900_000
    assert histogram.get_total_count() == requests
    # Of the requests of the last second of the stop, which were sent late, half have waited for 0.5 s.
    late = [item.count_at_value_iterated_to for item in histogram.get_recorded_iterator()
            if item.value_iterated_to >= 500_000]  # fmt: skip
    assert sum(late) >= RATE * 0.4
