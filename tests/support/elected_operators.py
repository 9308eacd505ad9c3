"""Operators of one cluster with an election between them, each behind a proxy that records its requests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from spiko_local.components import OPERATOR_NAMESPACE
from spiko_local.processes import die_with_parent
from tests.support.paths import ROOT
from tests.support.recording_proxy import Recorded, recording_proxy


class ElectedOperator:
    """One operator process. Its log is `elected-NUMBER.log` in the folder."""

    def __init__(self, kubeconfig: Path, folder: Path, number: int, stack: ExitStack) -> None:
        self.proxy = stack.enter_context(recording_proxy(kubeconfig))
        config, self.log = folder / f"elected-{number}.config", folder / f"elected-{number}.log"
        self.proxy.write_kubeconfig(config)
        environ = os.environ | {
            "KUBECONFIG": str(config),
            "SPIKO_OPERATOR_NAMESPACE": OPERATOR_NAMESPACE,
            "SPIKO_LEADER_ELECTION": "true",
            "SPIKO_ALLOW_DELETE": "true",
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "spiko_operator"],
                env=environ,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509  # a killed test run leaves nothing
            )
        stack.callback(self._end)

    def _end(self) -> None:
        self.process.kill()
        self.process.wait()

    def lease_requests(self) -> list[Recorded]:
        """Return the successful writes of the Lease with a holder, in order."""
        found = [r for r in self.proxy.requests if "/leases" in r.path and r.status in (200, 201)]
        return [r for r in found if r.body.get("spec", {}).get("holderIdentity")]

    @property
    def acquired_s(self) -> float | None:
        """When the API server answered the request that acquired the Lease; None if it never did."""
        found = self.lease_requests()
        return found[0].answered_s if found else None

    def writes(self) -> list[Recorded]:
        """Return all writes except those of the Lease."""
        return [request for request in self.proxy.requests if request.is_write]


class ElectedOperators:
    """Two or more operators; those that ended are kept for the evaluation."""

    def __init__(self, kubeconfig: Path, folder: Path, stack: ExitStack) -> None:
        self._kubeconfig, self._folder, self._stack = kubeconfig, folder, stack
        self.all: list[ElectedOperator] = []

    def start(self) -> ElectedOperator:
        """Start one more operator."""
        made = ElectedOperator(self._kubeconfig, self._folder, len(self.all), self._stack)
        self.all.append(made)
        return made

    def leader(self) -> ElectedOperator | None:
        """Return the running operator that acquired the Lease last; None if it has ended."""
        led = [(o.acquired_s, number, o) for number, o in enumerate(self.all) if o.acquired_s is not None]
        last = max(led)[2] if led else None
        return last if last is not None and last.process.poll() is None else None

    def until(self, what: str, asked: Callable[[], Any], seconds: float = 40.0) -> Any:
        """Wait until the result is true; return it."""
        end = time.monotonic() + seconds
        while not (answer := asked()):
            logs = "\n".join(f"{o.log}\n{o.log.read_text()[-1500:]}" for o in self.all[-3:])
            assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}\n{logs}"
            time.sleep(0.02)
        return answer

    def keep_two(self) -> None:
        """Start operators until two are running: on a busy machine a leader may lose its Lease by itself."""
        while sum(operator.process.poll() is None for operator in self.all) < 2:
            self.start()

    def until_led(self, besides: ElectedOperator | None = None) -> ElectedOperator:
        """Wait until an operator leads and has written; `besides` does not count."""

        def found() -> ElectedOperator | None:
            leader = self.leader()
            return leader if leader is not besides and leader is not None and leader.writes() else None

        result: ElectedOperator = self.until("a leader", found)
        return result

    def until_ready(self) -> ElectedOperator:
        """Wait until one operator leads and another one waits for its Lease; return the leader."""

        def found() -> ElectedOperator | None:
            self.keep_two()
            leader = self.leader()
            others = [o for o in self.all if o is not leader and o.process.poll() is None]
            waits = any("standby: " in operator.log.read_text() for operator in others)
            return leader if waits and leader is not None and leader.writes() else None

        result: ElectedOperator = self.until("a leader and a standby", found, 60)
        return result

    def stop_for(self, operator: ElectedOperator, seconds: float) -> None:
        """Stop a process by SIGSTOP for some seconds."""
        operator.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        operator.process.send_signal(signal.SIGCONT)

    def late_writes(self) -> list[str]:
        """Return the writes that arrived before their operator led, or after another one had taken over."""
        late = []
        for operator in self.all:
            began_s = operator.acquired_s or float("inf")
            others = [o.acquired_s for o in self.all if o is not operator and o.acquired_s is not None]
            end_s = min((at for at in others if at > began_s), default=float("inf"))
            late += [
                f"{operator.log.stem}: {request.method} {request.path} {request.arrived_s - end_s:.3f} s late"
                for request in operator.writes()
                if not began_s <= request.arrived_s <= end_s
            ]
        return late
