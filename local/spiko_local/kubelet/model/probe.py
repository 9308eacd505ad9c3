"""Pure: a container's probes with their defaults, and the count of results that decides."""

from __future__ import annotations

from dataclasses import dataclass

from spiko_local.objects import Object


@dataclass(frozen=True)
class Probe:
    """One probe with its defaults filled in. `action` is the API's Probe; times are in seconds."""

    action: Object
    initial_delay_s: float
    period_s: float
    timeout_s: float
    successes: int
    failures: int


def read_probe(container: Object, kind: str) -> Probe | None:
    """Return one of the container's probes, or None if it has none of this kind.

    Args:
        container: of a pod's spec.
        kind: startup, readiness or liveness.
    """
    body = container.get(f"{kind}Probe")
    if body is None:
        return None
    return Probe(
        action=body,
        initial_delay_s=float(body.get("initialDelaySeconds", 0)),
        period_s=float(body.get("periodSeconds", 10)),
        timeout_s=float(body.get("timeoutSeconds", 1)),
        successes=int(body.get("successThreshold", 1)),
        failures=int(body.get("failureThreshold", 3)),
    )


@dataclass
class ProbeCount:
    """Results in a row, and the verdict that they amount to: True, False, or None while undecided."""

    probe: Probe
    verdict: bool | None = None
    in_a_row: int = 0
    last: bool | None = None

    def add(self, result: bool) -> bool:
        """Count one result and return whether the verdict has changed."""
        self.in_a_row = self.in_a_row + 1 if result == self.last else 1
        self.last = result
        if (
            self.in_a_row >= (self.probe.successes if result else self.probe.failures)
            and self.verdict != result
        ):
            self.verdict = result
            return True
        return False


def find_port(container: Object, port: int | str) -> int:
    """Return a probe's port as a number.

    Raises:
        ValueError: the name is not one of the container's ports.

    >>> find_port({"ports": [{"name": "http", "containerPort": 8080}]}, "http"), find_port({}, 80)
    (8080, 80)
    """
    if isinstance(port, int):
        return port
    named = {p.get("name"): p["containerPort"] for p in container.get("ports") or ()}
    return int(named.get(port, port))
