"""Pure: a summary of what pods report, for the operator's conditions `Serving` and `Exporting`.

It is small and coarse: the requests of the sources in the last ten seconds, the edges with most errors, and
how many pods fail to export their spans. Numbers of requests have two significant digits, so that steady
traffic makes no message.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

from spiko_nanoservice.contract import LONGEST_REASON
from spiko_nanoservice.contract.control_messages import MOST_EDGES
from spiko_nanoservice.messages import HEALTH, Message
from spiko_nanoservice.telemetry.totals import MOST_REASONS, OTHER

WINDOW = 10  # seconds
# Failing edges in one second; more are not needed to find the worst ones.
MOST_FAILING = 4_096
LONGEST_NAME, LONGEST_FAILURE, LONGEST_ENDPOINT = 64, 200, 255  # characters
# Caller tier, caller version, callee tier, callee version.
Edge = tuple[str, str, str, str]


class _Second:
    __slots__ = ("errors", "failing", "requests")

    def __init__(self) -> None:
        self.requests = 0
        self.errors = 0
        self.failing: dict[Edge, Counter[str]] = {}


class HealthSummary:
    """Takes the reports of pods; returns the summary when it has changed."""

    def __init__(self) -> None:
        self._current = _Second()
        self._window: deque[_Second] = deque(maxlen=WINDOW)
        # Endpoint and failure by session; an empty failure is that of a pod that exports.
        self._exports: dict[int, tuple[str, str]] = {}
        self._empty = self._last = self._message("")

    @property
    def last(self) -> Message | None:
        """The summary of the last closed second; None if it is empty."""
        return self._last if self._last != self._empty else None

    def add(self, session: int, tier: str, version: str, source: bool, report: Message) -> None:
        """Add one pod's report.

        Args:
            session: of the pod.
            tier: of the pod.
            version: of the pod.
            source: whether the pod sends requests of its own.
            report: its message, which `report_check.py` has checked.
        """
        for edge in report.get("edges") or ():
            (callee, callee_version), taken, errors = _read_edge(edge)
            if source:
                self._current.requests += taken + errors.total()
                self._current.errors += errors.total()
            if errors.total():
                self._add_failing((tier[:LONGEST_NAME], version, callee, callee_version), errors)
        if (export := report.get("exporting")) is not None:
            endpoint, failure = export
            self._exports[session] = endpoint[:LONGEST_ENDPOINT], failure[:LONGEST_FAILURE]

    def forget(self, session: int) -> None:
        """Forget a pod whose session has ended."""
        self._exports.pop(session, None)

    def close_second(self, endpoint: str = "") -> Message | None:
        """Close the second and return the summary; None if it is as before.

        Args:
            endpoint: of the active configuration; what pods reported about an earlier one does not count.
        """
        self._window.append(self._current)
        self._current = _Second()
        before, self._last = self._last, self._message(endpoint)
        return self._last if self._last != before else None

    def _add_failing(self, edge: Edge, errors: Counter[str]) -> None:
        failing = self._current.failing
        if edge not in failing and len(failing) >= MOST_FAILING:
            return
        found = failing.setdefault(edge, Counter())
        for reason, count in errors.items():
            found[reason if reason in found or len(found) < MOST_REASONS else OTHER] += count

    def _message(self, endpoint: str) -> Message:
        failing: dict[Edge, Counter[str]] = {}
        for second in self._window:
            for edge, errors in second.failing.items():
                failing.setdefault(edge, Counter()).update(errors)
        worst = sorted(failing.items(), key=lambda item: (-item[1].total(), item[0]))[:MOST_EDGES]
        exports = [failure for reported, failure in self._exports.values() if reported == endpoint]
        failures = Counter(failure for failure in exports if failure)
        return {
            "t": HEALTH,
            "requests": round_count(sum(second.requests for second in self._window)),
            "errors": round_count(sum(second.errors for second in self._window)),
            "edges": [
                [*edge, round_count(errors.total()), errors.most_common(1)[0][0]] for edge, errors in worst
            ],
            "endpoint": endpoint,
            "exporting": len(exports),
            "failing": failures.total(),
            "failure": failures.most_common(1)[0][0] if failures else "",
        }


def round_count(count: int) -> int:
    """Return a number with its two leading digits.

    >>> [round_count(n) for n in (7, 99, 104, 105, 1_049, 123_456)]
    [7, 99, 100, 110, 1000, 120000]
    """
    unit = int("1" + "0" * (len(str(count)) - 2))
    return (count + unit // 2) // unit * unit


def _read_edge(edge: Any) -> tuple[tuple[str, str], int, Counter[str]]:
    """Return the callee, the answered requests and the errors of an edge of a report."""
    tier, version = (part[:LONGEST_NAME] for part in edge["to"][:2])
    errors = {reason[:LONGEST_REASON]: count for reason, count in edge["errors"].items()}
    return (tier, version), edge["ok"] + edge["miss"], Counter(errors)
