"""Memory of the kubelet over many pods that come and go."""

from __future__ import annotations

import time

import pytest

from spiko_local.processes import read_memory
from tests.bench.scale import lamp
from tests.support.local_cluster import local_cluster

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(900), pytest.mark.built_in]
CYCLES, PODS = 10, 200
FIRST_CYCLES = 3
PER_CYCLE_MB = 0.5  # 2.5 kB per pod: less than the smallest thing that a kubelet keeps of one
LARGEST_MB = 80


def test_memory_reaches_a_plateau_over_ten_cycles_of_200_pods() -> None:
    """Given 200 pods, created and deleted ten times, then the kubelet grows in the first cycles only."""
    after = []
    with local_cluster() as cluster:
        pid = cluster.pid("kubelet")
        for _ in range(CYCLES):
            cluster.apply(lamp(PODS))
            cluster.until_settled("lamp", seconds=120)
            cluster.kubectl("delete", "arch", "lamp")
            cluster.until("lamp gone", lambda: not cluster.items("pods", labels="spiko.dev/tier"), 60)
            time.sleep(1)  # the last deletions are on their way
            after.append(read_memory(pid) / 1e6)
        assert cluster.pid("kubelet") == pid
    first, last = after[FIRST_CYCLES - 1], after[-1]

    assert last - first <= PER_CYCLE_MB * (CYCLES - FIRST_CYCLES), after
    assert last <= LARGEST_MB, after
