"""Pure: whether the sources' requests are answered, and whether pods export their spans.

The eurekas send summaries (`eureka/registry/health.py` of the nanoservice) whenever those change. The two
verdicts here change rarely: a status write costs as much as the whole object. A new verdict must hold for
`HOLD_S`, and comes at the earliest `LEAST_S` after the one before; its text stays as it was at the change.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from spiko_nanoservice.contract import LONGEST_REASON, decode
from spiko_nanoservice.contract.control_messages import Health

HOLD_S, LEAST_S = 3.0, 10.0
# Percent of the sources' requests that may fail: above the first, Serving is False until it is at most the
# second.
MOST_FAILED, FEW_FAILED = 5, 1
LONGEST_ENDPOINT, LONGEST_FAILURE = 255, 200  # characters
_NAME = re.compile(r"[-A-Za-z0-9_.*]{1,64}")


@dataclass(frozen=True)
class FailingEdge:
    """Calls of one tier to another that failed, and the most frequent reason."""

    caller: str
    callee: str
    errors: int
    reason: str


@dataclass(frozen=True)
class HealthReport:
    """The summary of one eureka: the sources' requests of the last ten seconds, and the exports of pods."""

    requests: int = 0
    errors: int = 0
    edges: tuple[FailingEdge, ...] = ()
    endpoint: str = ""
    exporting: int = 0
    failing: int = 0
    failure: str = ""


@dataclass(frozen=True)
class Verdict:
    """Whether something holds.

    Args:
        holds: whether it does.
        detail: about the moment of the change, for the condition's message.
        subject: what it is about; a verdict on another subject says nothing.
    """

    holds: bool
    detail: str = ""
    subject: str = ""


@dataclass(frozen=True)
class Verdicts:
    """The verdicts on one Architecture; None before the first."""

    serving: Verdict | None = None
    exporting: Verdict | None = None


def read_health(message: Mapping[str, Any]) -> HealthReport:
    """Return a eureka's summary. Edges are left out if a name, which a pod reported, cannot be one.

    Raises:
        ContractError: the message violates the contract.
    """
    health = decode(Health, message)
    return HealthReport(
        health.requests,
        health.errors,
        tuple(
            FailingEdge(
                f"{edge[0]} {edge[1]}", f"{edge[2]} {edge[3]}", edge[4], _cut(edge[5], LONGEST_REASON)
            )
            for edge in health.edges
            if all(map(_NAME.fullmatch, edge[:4]))
        ),
        health.endpoint[:LONGEST_ENDPOINT],
        health.exporting,
        health.failing,
        _cut(health.failure, LONGEST_FAILURE),
    )


def _cut(text: str, most: int) -> str:
    """Return the beginning of a text, escaped unless it is printable."""
    text = text[:most]
    return text if text.isprintable() else ascii(text)[1:-1]


def worst_edge(reports: Iterable[HealthReport]) -> str:
    r"""Return the edge with most errors that its callee has not passed on from its own calls, as text.

    >>> path = (FailingEdge("www", "lb", 9, "refused"), FailingEdge("lb", "db", 9, "refused"))
    >>> worst_edge([HealthReport(9, 9, path)])
    'lb -> db (refused)'
    """
    errors: Counter[tuple[str, str]] = Counter()
    by_caller: Counter[str] = Counter()
    reasons: dict[tuple[str, str], Counter[str]] = {}
    for report in reports:
        for edge in report.edges:
            ends = edge.caller, edge.callee
            errors[ends] += edge.errors
            by_caller[edge.caller] += edge.errors
            reasons.setdefault(ends, Counter())[edge.reason] += edge.errors
    if not errors:
        return ""

    def blame(ends: tuple[str, str]) -> tuple[int, int, tuple[str, str]]:
        own = max(0, errors[ends] - (by_caller[ends[1]] if ends[0] != ends[1] else 0))
        return -own, -errors[ends], ends

    worst = min(errors, key=blame)
    return f"{worst[0]} -> {worst[1]} ({reasons[worst].most_common(1)[0][0]})"


class _Gate:
    """Lets a verdict change only if the new one lasts, and not too soon after the last change."""

    def __init__(self) -> None:
        self.verdict: Verdict | None = None
        self._since: float | None = None
        self._changed_at: float | None = None

    @property
    def due(self) -> float | None:
        """When a verdict that waits takes effect, unless the evidence changes; None if none waits."""
        if self._since is None:
            return None
        settled = self._since + HOLD_S
        return settled if self._changed_at is None else max(settled, self._changed_at + LEAST_S)

    def offer(self, wanted: Verdict | None, now: float) -> bool:
        """Take evidence; return whether the verdict has changed. None leaves the verdict as it is."""
        if wanted is None or (self.verdict is not None and wanted.holds == self.verdict.holds):
            self._since = None
            return False
        if self._since is None:
            self._since = now
        if self.due is not None and now < self.due:
            return False
        self.verdict, self._since, self._changed_at = wanted, None, now
        return True


class HealthMonitor:
    """The verdicts on one Architecture over time."""

    def __init__(self) -> None:
        self._serving, self._exporting = _Gate(), _Gate()
        self._endpoint = ""

    def configure(self, endpoint: str) -> None:
        """Begin anew with the exports if they go to another endpoint; empty for none."""
        if endpoint != self._endpoint:
            self._endpoint, self._exporting = endpoint, _Gate()

    def update(self, reports: Iterable[HealthReport], now: float) -> bool:
        """Take the latest summaries of all connected eurekas; return whether a verdict has changed.

        Args:
            reports: one of each eureka.
            now: monotonic seconds.
        """
        given = list(reports)
        serving = self._serving.offer(self._judge_serving(given), now)
        return self._exporting.offer(self._judge_exporting(given), now) or serving

    @property
    def due(self) -> float | None:
        """When to call `update` again, even if no summary changes; None if that is not needed."""
        return min((at for at in (self._serving.due, self._exporting.due) if at is not None), default=None)

    @property
    def verdicts(self) -> Verdicts:
        """The verdicts in effect."""
        return Verdicts(self._serving.verdict, self._exporting.verdict)

    def _judge_serving(self, reports: list[HealthReport]) -> Verdict | None:
        requests, errors = (sum(r.requests for r in reports), sum(r.errors for r in reports))
        if not requests:
            return None
        if errors * 100 > MOST_FAILED * requests:
            return Verdict(False, worst_edge(reports))
        before = self._serving.verdict
        if before is not None and not before.holds and errors * 100 > FEW_FAILED * requests:
            return None
        return Verdict(True)

    def _judge_exporting(self, reports: list[HealthReport]) -> Verdict | None:
        current = [r for r in reports if r.endpoint == self._endpoint and r.exporting]
        if not current or not self._endpoint:
            return None
        pods, failing = sum(r.exporting for r in current), sum(r.failing for r in current)
        if not failing:
            return Verdict(True, subject=self._endpoint)
        failure = max(current, key=lambda r: r.failing).failure
        return Verdict(False, f"{failing} of {pods} pods: {failure}", self._endpoint)
