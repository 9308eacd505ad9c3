"""Hostile clients attack every port of a cluster while lamp serves requests.

`python -m tests.bench.hostile` does the same for ten minutes.
"""

from __future__ import annotations

import pytest

from tests.support.hostile_lamp import attack_lamp
from tests.support.local_cluster import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.built_in]
SECONDS = 8.0
MOST_GROWTH_KB = 60_000


@pytest.mark.parametrize("seed", [7])
def test_hostile_clients_cause_no_error(cluster: Cluster, namespace: str, seed: int) -> None:
    """Given lamp under 100 requests/s, when clients attack every port for 8 s, then its source sees no
    error, nothing restarts or becomes unready, no log has a traceback, and no process grows much.
    """
    found = attack_lamp(cluster, namespace, SECONDS, seed)

    assert {} == found.errors
    assert found.requests > 80 * found.seconds
    assert (0, 0) == (found.restarts, found.unready)
    assert (0, 0) == (found.clients.admitted, found.clients.welcomed)
    assert (0, []) == (found.internal_errors, found.tracebacks)
    assert sum(found.clients.done.values()) > 200
    growth = {kind: sizes[-1] - sizes[0] for kind, sizes in found.memory_kb.items()}
    assert {} == {kind: size for kind, size in growth.items() if size > MOST_GROWTH_KB}
