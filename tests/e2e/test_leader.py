"""Two operators on one cluster: pauses of the leader, restarts, Faults and the chaos monkey.

The witness of all writes is a proxy between each operator and the API server.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.support.architectures import fault, shop
from tests.support.elected_operators import ElectedOperators
from tests.support.local_cluster import Cluster, local_cluster
from tests.support.recording_proxy import RecordingProxy, recording_proxy

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
Object = dict[str, Any]
RATE = "/spec/services/3/load/ratePerSecond"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def bare() -> Iterator[Cluster]:
    """A cluster without an operator."""
    with local_cluster("--without-operator") as made:
        yield made


@pytest.fixture
def space(bare: Cluster) -> Iterator[str]:
    """A namespace for one test."""
    name = f"led-{next(_numbers)}"
    bare.kubectl("create", "namespace", name)
    yield name
    bare.kubectl("delete", "namespace", name, "--wait=false", check=False)


@pytest.fixture
def operators(bare: Cluster, tmp_path: Path) -> Iterator[ElectedOperators]:
    """Two operators with an election."""
    with ExitStack() as stack:
        made = ElectedOperators(bare.home / "kubeconfig", tmp_path, stack)
        made.keep_two()
        yield made


@contextmanager
def changing(cluster: Cluster, space: str) -> Iterator[RecordingProxy]:
    """Change the rate of the shop every 0.1 s, so that the leader always has something to write."""
    over = threading.Event()
    with recording_proxy(cluster.home / "kubeconfig") as proxy:
        url = f"http://127.0.0.1:{proxy.port}/apis/spiko.dev/v1alpha1/namespaces/{space}/architectures/shop"

        def change() -> None:
            for number in itertools.count():
                if over.wait(0.1):
                    return
                rate = {"op": "replace", "path": RATE, "value": 1 + number % 9}
                request = Request(url, json.dumps([rate]).encode(), method="PATCH")
                request.add_header("Content-Type", "application/json-patch+json")
                with contextlib.suppress(OSError):  # a busy machine
                    urlopen(request, timeout=10).close()

        thread = threading.Thread(target=change)
        thread.start()
        try:
            yield proxy
        finally:
            over.set()
            thread.join()


def pause_leaders(operators: ElectedOperators, pauses_s: list[float], random: Random) -> list[float]:
    """Pause the leader for each of these times; return how long each takeover took since the pause began."""
    took_s = []
    for pause_s in pauses_s:
        leader = operators.until_ready()
        time.sleep(random.random() * 2)
        began_s = time.monotonic()
        operators.stop_for(leader, pause_s)
        operators.until("the end of the paused operator", lambda: leader.process.poll() is not None)  # noqa: B023
        assert leader.process.returncode == 0
        assert leader.log.read_text().count("leadership is lost, stopping the process") == 1
        assert " WARNING spiko.operator " not in leader.log.read_text().partition("leadership is lost")[2]
        after = operators.until_led(besides=leader)
        took_s.append((after.acquired_s or 0.0) - began_s)
    return took_s


@pytest.mark.long
def test_paused_leader_writes_nothing_after_the_takeover(
    bare: Cluster, space: str, operators: ElectedOperators
) -> None:
    """Given a leader that writes all the time, when it is stopped for 11 to 19 s four times, then it writes
    nothing once another operator has the Lease, ends with one line, and the takeover takes at most 20 s.
    """
    bare.apply(shop(rate=1), space)
    with changing(bare, space):
        took_s = pause_leaders(operators, [11.0, 19.0, 17.5, 12.5], Random(1))

    assert operators.late_writes() == []
    assert max(took_s) < 20
    assert sum(len(operator.writes()) for operator in operators.all) > 50


@pytest.mark.nightly
@pytest.mark.timeout(3000)
def test_paused_leader_writes_nothing_a_hundred_times(
    bare: Cluster, space: str, operators: ElectedOperators
) -> None:
    """Given the same, then a hundred pauses of 11 to 20 s at random moments cause no late write."""
    random = Random(7)
    bare.apply(shop(rate=1), space)
    with changing(bare, space):
        pause_leaders(operators, [random.uniform(11, 20) for _ in range(100)], random)

    assert operators.late_writes() == []


def test_restart_takes_over_at_once(bare: Cluster, space: str, operators: ElectedOperators) -> None:
    """Given a leader, when it gets SIGTERM, then the other one leads before the Lease would have ended, after
    15 s, and no write comes late.
    """
    bare.apply(shop(rate=1), space)
    leader = operators.until_ready()
    with changing(bare, space):
        time.sleep(1)
        began_s = time.monotonic()
        leader.process.terminate()
        after = operators.until_led(besides=leader)

    assert leader.process.wait(10) == 0
    assert (after.acquired_s or 0.0) - began_s < 10
    assert operators.late_writes() == []


def test_fault_and_monkey_have_all_evidence(bare: Cluster, space: str, operators: ElectedOperators) -> None:
    """Given two operators, then a Fault has killed 3 of 3 with complete evidence, and each kill of the monkey
    is one event and one count.
    """
    body = shop(web_count=6, victim="web", chaos={"monkey": {"mode": "Off"}})
    bare.apply(body, space)
    bare.until_settled("shop", space, 60)
    three = fault("three", "shop", tier="web", count=3, method="Delete", gracePeriodSeconds=0)
    three["spec"]["startingDeadlineSeconds"] = 60
    bare.apply(three, space)
    bare.until_true("three", "Ended", space, kind="fault")
    status = bare.get("fault", "three", space)["status"]
    assert status["summary"].startswith("3 of 3 killed, noticed within ")
    assert [c["reason"] for c in status["conditions"] if c["type"] == "Ended"] == ["EvidenceComplete"]

    bare.until_settled("shop", space)
    monkey = {"spec": {"chaos": {"monkey": {"mode": "Enforce", "method": "Delete", "meanSeconds": 10}}}}
    bare.kubectl("patch", "arch", "shop", "-n", space, "--type=merge", "-p", json.dumps(monkey))

    def kills() -> int:
        chaos = bare.get("arch", "shop", space)["status"].get("chaos") or {}
        return int(chaos.get("kills") or 0)

    bare.until("two kills", lambda: kills() >= 2, 60)
    events = bare.kubectl("get", "events.events.k8s.io", "-n", space, "-o", "json").stdout
    notes = [e["note"] for e in json.loads(events)["items"] if e["reason"] == "MonkeyKilled"]
    assert len(notes) == len(set(notes))
    assert operators.late_writes() == []
