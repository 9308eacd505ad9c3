"""Pure: which operator leads, by the rules of client-go's leader election on a Lease.

The times in a Lease are for readers: an operator judges the Lease of another holder by the time that has
passed on its own clock since the Lease last changed. The holder itself stops `DEADLINE_S` after it sent its
last successful renewal, and others wait `DURATION_S` after they saw it. So a holder that was paused, or whose
clock differs, has stopped before another operator starts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from spiko_operator.plan import names
from spiko_operator.plan.objects import Object

DURATION_S = 15  # until a Lease that is not renewed is free
DEADLINE_S = 10.0  # until a holder that cannot renew its Lease stops
RETRY_S = 2.0  # between attempts to renew or to acquire


@dataclass(frozen=True)
class Record:
    """The fields of a Lease's spec. An empty `holder` has released it; times are in Kubernetes' format."""

    holder: str
    acquired: str
    renewed: str
    transitions: int = 0
    duration_s: int = DURATION_S


@dataclass(frozen=True)
class Sighting:
    """A record, and the seconds on this operator's clock when it was first seen."""

    record: Record
    since_s: float


def see(before: Sighting | None, record: Record, now_s: float) -> Sighting:
    """Return the sighting of a record; an unchanged record keeps the time of its first sighting."""
    return before if before is not None and before.record == record else Sighting(record, now_s)


def next_record(seen: Sighting | None, identity: str, now_s: float, now: str) -> Record | None:
    """Return the record with which an operator acquires or renews the Lease; None while it must wait.

    Args:
        seen: the last sighting; None if there never was a Lease.
        identity: of the operator.
        now_s: seconds on its clock, from before the Lease was read.
        now: the time, in the format of Kubernetes.

    Source: client-go, tools/leaderelection/leaderelection.go, tryAcquireOrRenew.

    >>> held = Sighting(Record("a", "t0", "t0"), since_s=100.0)
    >>> next_record(held, "b", 114.9, "t1")
    >>> next_record(held, "b", 115.0, "t1")
    Record(holder='b', acquired='t1', renewed='t1', transitions=1, duration_s=15)
    >>> next_record(held, "a", 102.0, "t1")
    Record(holder='a', acquired='t0', renewed='t1', transitions=0, duration_s=15)
    """
    if seen is None:
        return Record(identity, now, now)
    before = seen.record
    if before.holder == identity:
        return replace(before, renewed=now, duration_s=DURATION_S)
    if before.holder and now_s < seen.since_s + before.duration_s:
        return None
    return Record(identity, now, now, before.transitions + 1)


def released(record: Record, now: str) -> Record:
    """Return the record of a holder that stops: any operator may acquire the Lease at once."""
    return Record("", now, now, record.transitions, 1)


def wait_s(seen: Sighting | None, identity: str, now_s: float) -> float:
    """Return the seconds until the next attempt: until another holder's Lease ends, at most `RETRY_S`."""
    if seen is None or seen.record.holder in ("", identity):
        return RETRY_S
    left_s = seen.since_s + seen.record.duration_s - now_s
    return min(RETRY_S, left_s) if left_s > 0 else RETRY_S


def read_record(lease: Object) -> Record:
    """Return the record of a Lease; a field that is missing has its default."""
    spec = lease.get("spec") or {}
    return Record(
        str(spec.get("holderIdentity") or ""),
        str(spec.get("acquireTime") or ""),
        str(spec.get("renewTime") or ""),
        int(spec.get("leaseTransitions") or 0),
        int(spec.get("leaseDurationSeconds") or DURATION_S),
    )


def write_record(lease: Object | None, namespace: str, record: Record) -> Object:
    """Return a Lease with the record, and with the other fields of the existing one."""
    base: Object = lease or {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": names.LEASE,
            "namespace": namespace,
            "labels": {names.MANAGED_BY: names.FIELD_MANAGER},
        },
    }
    fields = {
        "holderIdentity": record.holder,
        "acquireTime": record.acquired,
        "renewTime": record.renewed,
        "leaseTransitions": record.transitions,
        "leaseDurationSeconds": record.duration_s,
    }
    return base | {"spec": {**(base.get("spec") or {}), **fields}}
