"""Real operator processes: the election between two, missing permissions, and starts under trouble."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from pathlib import Path

from aiohttp import ClientSession, ClientTimeout

from tests.spiko_operator.test_app import SELECTORS, Recorder, operator, running, wait_until

STATUS = "/apis/spiko.dev/v1alpha1/namespaces/default/architectures/shop/status"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
ELECTION = {"SPIKO_LEADER_ELECTION": "true"}
# A user id without an entry in the list of users, as a container may have.
WITHOUT_USER = """
import getpass
def getuser():
    raise KeyError("getpwuid(): uid not found: 65532")
getpass.getuser = getuser
from spiko_operator.__main__ import main
main()
"""


def folders(parent: Path, *names: str) -> list[Path]:
    """Create folders."""
    found = [parent / name for name in names]
    for folder in found:
        folder.mkdir()
    return found


def holder(recorder: Recorder) -> str:
    """Return the holder of the Lease."""
    return str(recorder.lease["spec"]["holderIdentity"]) if recorder.lease else ""


async def test_standby_writes_nothing_and_takes_over_at_once(tmp_path: Path) -> None:
    """Given two operators, then the second one watches and writes nothing; when the first one gets SIGTERM,
    it releases the Lease after its last write, exits with 0, and the second one works soon.
    """
    recorder = Recorder()
    one, two = folders(tmp_path, "one", "two")
    async with operator(recorder, one, **ELECTION) as first:
        await wait_until("a status", lambda: len(recorder.writes()) == 4, one / "log")
        assert recorder.writes() == {
            ("POST", LEASE),
            ("PUT", f"{LEASE}/spiko-operator"),
            ("PATCH", STATUS),
            ("POST", "/apis/events.k8s.io/v1/namespaces/default/events"),
        }
        known = {request.host for request in recorder.requests}
        async with operator(recorder, two, **ELECTION):
            watched = recorder.tries.values()
            await wait_until("watches", lambda: all(len(tries) > 1 for tries in watched), two / "log")
            await asyncio.sleep(1.5)
            by_second = [request for request in recorder.requests if request.host not in known]
            assert {request.method for request in by_second} == {"GET"}
            assert not [request for request in by_second if request.path.endswith("spiko-operator-key")]

            before = holder(recorder)
            began = time.monotonic()
            first.send_signal(signal.SIGTERM)
            assert 0 == await asyncio.wait_for(first.wait(), 10)
            last = [r for r in recorder.requests if r.host in known and r.method != "GET"][-1]
            assert (last.method, last.path) == ("PUT", f"{LEASE}/spiko-operator")

            def writes() -> set[str]:
                return {r.path for r in recorder.requests if r.host not in known and r.method == "PATCH"}

            await wait_until("a status by the second", lambda: STATUS in writes(), two / "log")
            assert time.monotonic() - began < 10  # 2 s until the next attempt, and a busy machine
            assert holder(recorder) not in ("", before)
    assert "standby: " in (two / "log").read_text()
    assert "leading: " in (two / "log").read_text()


async def test_process_stops_with_one_line_when_another_one_has_the_lease(tmp_path: Path) -> None:
    """Given a leader, when the Lease has another holder, then the process exits with 0 by itself."""
    recorder = Recorder()
    async with operator(recorder, tmp_path, **ELECTION) as process:
        await wait_until("a status", lambda: ("PATCH", STATUS) in recorder.writes(), tmp_path / "log")
        assert recorder.lease is not None
        metadata = {**recorder.lease["metadata"], "resourceVersion": "99"}
        recorder.lease = {
            "metadata": metadata,
            "spec": {**recorder.lease["spec"], "holderIdentity": "other"},
        }
        assert 0 == await asyncio.wait_for(process.wait(), 15)

    lines = (tmp_path / "log").read_text().splitlines()
    assert [line for line in lines if " ERROR " in line or " WARNING " in line or " CRITICAL " in line] == [
        line for line in lines if "leadership is lost, stopping the process: other holds the Lease" in line
    ]
    assert holder(recorder) == "other"


async def test_namespace_without_permissions_is_looked_after_once_they_exist(tmp_path: Path) -> None:
    """Given two namespaces, one without permissions, then the other one is reconciled, the process stays, and
    the log has one warning; once the permissions exist, the namespace is watched as well.
    """
    recorder = Recorder()
    recorder.forbidden = {"later"}
    log = tmp_path / "log"
    async with operator(recorder, tmp_path, SPIKO_NAMESPACES="later,default") as process:
        await wait_until("a status", lambda: ("PATCH", STATUS) in recorder.writes(), log)
        await asyncio.sleep(8)
        assert process.returncode is None
        lines = [line for line in log.read_text().splitlines() if "later" in line or "Forbidden" in line]
        assert len(lines) == 1, lines
        assert "namespace 'later': no permission to list architectures" in lines[0]

        recorder.forbidden.clear()
        recorder.requests.clear()

        def watched() -> set[str]:
            found = [r for r in recorder.requests if "watch" in r.query and "/namespaces/later/" in r.path]
            return {request.path.rpartition("/")[2] for request in found}

        await wait_until("watches", lambda: watched() == SELECTORS.keys(), log, 40)
        found = "namespace 'later': the permissions exist now"
        await wait_until("the namespace is open", lambda: found in log.read_text(), log, 20)


async def test_probes_are_answered_before_the_operator_has_its_key(tmp_path: Path) -> None:
    """Given an API server that does not return the operator's key, then watches are open, the probe is
    answered with 200, and the operator works as soon as the key can be read.
    """
    recorder = Recorder()
    recorder.without_key = True
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    async with operator(recorder, tmp_path, SPIKO_HTTP_LISTEN=address), ClientSession() as session:
        await wait_until("watches", lambda: SELECTORS.keys() <= recorder.watches.keys(), tmp_path / "log")
        async with session.get(f"http://{address}/healthz", timeout=ClientTimeout(5)) as answer:
            assert answer.status == 200
        assert recorder.writes() == set()
        recorder.without_key = False
        await wait_until("a status", lambda: ("PATCH", STATUS) in recorder.writes(), tmp_path / "log")


async def test_operator_starts_under_a_user_id_without_a_name(tmp_path: Path) -> None:
    """Given a user id that the list of users does not have, then the operator starts all the same."""
    recorder = Recorder()
    async with running(recorder, tmp_path, ("-c", WITHOUT_USER), {}):
        await wait_until("a status", lambda: ("PATCH", STATUS) in recorder.writes(), tmp_path / "log")
