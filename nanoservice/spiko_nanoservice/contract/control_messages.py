"""What a eureka sends to the operator: the bodies of the messages of a control connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from spiko_nanoservice.contract import Revision
from spiko_nanoservice.contract.bounds import Address, Calls, Count, Items, Name, StartMs

# Pods at one eureka: one zone's, and those of other zones while their eurekas are away.
MOST_PODS = 4_096
# Failing edges in a summary.
MOST_EDGES = 8


@dataclass(frozen=True)
class Programmed:
    """How many pods act on the configuration; see `eureka/registry/ack_status.py`."""

    revision: Revision | None
    pods: Count
    acked: Count
    complete: bool


@dataclass(frozen=True)
class Holders:
    """How many callers at this eureka route to a pod, and the start of the pod's process if it is here."""

    id: Name
    holders: Count
    process: StartMs | None = None


@dataclass(frozen=True)
class FailedCalls:
    """Calls to a pod that failed, by reason."""

    id: Name
    errors: dict[str, Count]


@dataclass(frozen=True)
class Crashed:
    """Whether a crash request was forwarded to the pod."""

    id: Name
    sent: bool


@dataclass(frozen=True)
class RegisteredPods:
    """UID and address of every pod that is registered at a eureka."""

    pods: Annotated[tuple[tuple[Name, Address], ...], Items(MOST_PODS)]


@dataclass(frozen=True)
class Health:
    """A summary of what the pods at a eureka report; see `eureka/registry/health.py`.

    Args:
        requests: of the sources, in the last ten seconds.
        errors: how many of them failed.
        edges: tier and version of caller and callee, failed calls, and the most frequent reason; worst first.
        endpoint: base URL of the collector; empty for none.
        exporting: pods that have tried to export to it.
        failing: how many of them fail.
        failure: the most frequent failure.
    """

    requests: Calls
    errors: Calls
    edges: Annotated[tuple[tuple[str, str, str, str, Calls, str], ...], Items(MOST_EDGES)]
    endpoint: str
    exporting: Count
    failing: Count
    failure: str
