"""Pure: the rules between the fields of a Fault."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spiko_operator.plan import names
from spiko_operator.plan.validation.findings import Finding, found, shorten


def fault_rules(spec: Mapping[str, Any]) -> list[Finding]:
    """Return the findings about the spec of a Fault."""
    kill = spec.get("kill")
    if not isinstance(kill, Mapping):
        return []
    return [*_kill(kill), *_kill_count(kill)]


def _kill(kill: Mapping[str, Any]) -> Iterator[Finding]:
    named = [field for field in ("tier", "pod") if kill.get(field) is not None]
    if len(named) != 1:
        text = "both tier and pod are given" if named else "neither tier nor pod is given"
        yield found("BadKill", "spec.kill", dict(kill), text)
    method, grace_s = kill.get("method", "Evict"), kill.get("gracePeriodSeconds")
    if grace_s is not None and method != "Delete":
        why = (
            "a crash has no grace period"
            if method == "Crash"
            else ("an eviction uses the pod's own grace period")
        )
        yield found(
            "BadKill",
            "spec.kill.gracePeriodSeconds",
            grace_s,
            why,
            "set method: Delete, or remove gracePeriodSeconds",
        )
    if method == "Crash" and kill.get("tier") == names.EUREKA:
        text = "Crash cannot target eurekas: crashes are delivered through eurekas"
        hint = "set method: Delete and gracePeriodSeconds: 0"
        yield found("BadKill", "spec.kill.method", method, text, hint)


def _kill_count(kill: Mapping[str, Any]) -> Iterator[Finding]:
    if kill.get("count") is not None and kill.get("percent") is not None:
        yield found(
            "BadCount",
            "spec.kill.percent",
            kill["percent"],
            f"count is given as well: {shorten(kill['count'])}",
        )
    for field in ("version", "region", "zone", "count", "percent"):
        if kill.get("pod") is not None and kill.get(field) is not None:
            yield found(
                "BadCount",
                f"spec.kill.{field}",
                kill[field],
                "not allowed with pod, which selects a single pod",
            )
