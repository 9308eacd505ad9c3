"""Pure: the rules on the fields of a Fault."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spiko_operator.plan import names
from spiko_operator.plan.validation.findings import Finding, found, shorten


def fault_rules(spec: Mapping[str, Any]) -> list[Finding]:
    """The rules of a Fault."""
    kill = spec.get("kill")
    if not isinstance(kill, Mapping):
        return []
    return [*_kill(kill), *_kill_count(kill)]


def _kill(kill: Mapping[str, Any]) -> Iterator[Finding]:
    named = [field for field in ("tier", "pod") if kill.get(field) is not None]
    if len(named) != 1:
        text = "names both tier and pod" if named else "names neither tier nor pod"
        yield found("BadKill", "spec.kill", dict(kill), text)
    method, grace_s = kill.get("method", "Evict"), kill.get("gracePeriodSeconds")
    if grace_s is not None and method != "Delete":
        why = "a crash has no grace period" if method == "Crash" else "an eviction uses the pod's own grace period"
        yield found("BadKill", "spec.kill.gracePeriodSeconds", grace_s, why, "write method: Delete, or remove it")
    if method == "Crash" and kill.get("tier") == names.EUREKA:
        hint = "write method: Delete and gracePeriodSeconds: 0"
        yield found("BadKill", "spec.kill.method", method, "a eureka has nobody who could tell it to crash", hint)


def _kill_count(kill: Mapping[str, Any]) -> Iterator[Finding]:
    if kill.get("count") is not None and kill.get("percent") is not None:
        yield found(
            "BadCount", "spec.kill.percent", kill["percent"], f"there is a count as well: {shorten(kill['count'])}"
        )
    for field in ("version", "region", "zone", "count", "percent"):
        if kill.get("pod") is not None and kill.get(field) is not None:
            yield found("BadCount", f"spec.kill.{field}", kill[field], "a named pod is one")
