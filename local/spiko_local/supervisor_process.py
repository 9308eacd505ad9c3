"""The supervisor as `spiko up` and `down` see it: a process to start, to wait for and to stop."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from spiko_local.errors import ComponentFailed
from spiko_local.home import Home, start_time
from spiko_local.objects import Object

POLL_S = 0.05
STOP_S = 45.0  # longer than the supervisor gives all its components together


def start_supervisor(home: Home) -> subprocess.Popen[bytes]:
    """Start the supervisor of a prepared home, in a session of its own.

    Args:
        home: with a plan.
    """
    with (home.logs / "supervisor.log").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "spiko_local.supervisor", str(home.path)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def wait_ready(
    home: Home, process: subprocess.Popen[bytes], timeout_s: float, say: Callable[[str], None]
) -> Object:
    """Wait until the cluster is ready and return the supervisor's state.

    Args:
        home: of the cluster.
        process: the supervisor.
        timeout_s: how long to wait.
        say: called once for every component that is ready, and at the end.

    Raises:
        ComponentFailed: a component failed, the supervisor ended, or the time is up.
    """
    began = time.monotonic()
    announced: set[str] = set()
    while True:
        ended = process.poll() is not None
        state = home.read_last_state()
        parts = state["parts"] if state else ()
        for part in parts:
            if part["ready"] and part["name"] not in announced:
                announced.add(part["name"])
                say(f"{part['name']}: {part['took_s']:.1f} s")
        if state and state["failed"]:
            raise ComponentFailed(state["failed"])
        if state and state["ready"] and not ended:
            say(f"nodes Ready; total {time.monotonic() - began:.1f} s")
            return state
        if ended:
            raise ComponentFailed(f"the supervisor ended; the end of its log:\n{home.log_tail('supervisor')}")
        if time.monotonic() - began > timeout_s:
            late = ", ".join(part["name"] for part in parts if not part["ready"])
            raise ComponentFailed(
                f"not ready after {timeout_s:.0f} s: {late or 'the nodes'}; see the logs in {home.logs}"
            )
        time.sleep(POLL_S)


def stop_supervisor(pid: int, began: int) -> None:
    """Stop a supervisor by SIGTERM, and by SIGKILL if that is not enough.

    Args:
        pid: of the supervisor.
        began: its start time in clock ticks since boot; another process with its pid is not touched.
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        end = time.monotonic() + STOP_S
        while start_time(pid) == began and time.monotonic() < end:
            time.sleep(POLL_S)
        if start_time(pid) != began:
            return


def terminate_supervisor(process: subprocess.Popen[bytes]) -> None:
    """Stop a supervisor that this process has started."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
