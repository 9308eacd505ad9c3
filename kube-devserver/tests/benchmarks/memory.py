"""The memory of the controllers and the store: again and again pods are created and deleted.

    PYTHONPATH=kube-devserver/tests python kube-devserver/tests/benchmarks/memory.py [cycles] [pods]

Prints after each cycle the resident memory in MB, the changes in the history and the Events that exist. The
memory grows until the history is full (32 MB of objects; the server drops changes after 75 s as well), then
only by the Events, which live for an hour.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from pathlib import Path

from devserver_support.control import Control, control, deployment
from kube_devserver.objects.kinds import DEPLOYMENTS, EVENTS
from kube_devserver.storage.store import Store

NODES, APPS = 6, 10
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """Run the benchmark."""
    cycles = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    pods = int(sys.argv[2]) if len(sys.argv) > 2 else 200

    async def scenario(made: Control) -> None:
        for number in range(NODES):
            made.start_node(f"n{number}")
        await made.settle()
        say("start", made)
        for cycle in range(cycles):
            await run_cycle(made, cycle, pods)
            say(f"cycle {cycle + 1}", made)

    with tempfile.TemporaryDirectory() as folder:
        control(scenario, Store(Path(folder) / "objects.db"))


async def run_cycle(made: Control, cycle: int, pods: int) -> None:
    """Create Deployments, run their pods, and delete all of them."""
    for number in range(APPS):
        made.create(DEPLOYMENTS, deployment(f"app-{cycle}-{number}", pods // APPS))
    await made.settle(2.0)
    made.run_pods()
    await made.settle(2.0)
    for name in made.names(DEPLOYMENTS):
        made.delete(DEPLOYMENTS, name)
    await made.settle(2.0)
    made.run_pods()
    await made.settle(2.0)
    assert not made.pods()
    made.beat(*(f"n{number}" for number in range(NODES)))


def say(what: str, made: Control) -> None:
    """Print one line of the result."""
    gc.collect()
    resident_mb = int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_MB
    events = len(made.store.entries(EVENTS))
    print(f"{what:10} {resident_mb:7.1f} MB, {len(made.store.history):6} changes, {events:6} events")


if __name__ == "__main__":
    main()
