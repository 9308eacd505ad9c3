"""The parts of the operator that all handlers share. `app.py` creates them once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from opentelemetry.trace import Tracer

from spiko_operator.cluster.cache import Cache
from spiko_operator.cluster.client import Client
from spiko_operator.cluster.execute import Executor
from spiko_operator.cluster.owners import Owners
from spiko_operator.eureka_links import Links
from spiko_operator.eureka_urls import Reacher
from spiko_operator.key_publisher import KeyPublisher
from spiko_operator.metrics import Metrics, no_metrics
from spiko_operator.plan.nodes import Node
from spiko_operator.plan.objects import Key
from spiko_operator.plan.observed import Reservation
from spiko_operator.plan.pod_causes import Causes
from spiko_operator.plan.registrations import Registration
from spiko_operator.settings import Settings
from spiko_operator.victim_claims import VictimClaims


@dataclass
class Inspection:
    """When to list the pods of an Architecture that is not Ready, and what the last list said.

    Args:
        due_s: time of the next list, by `Context.monotonic_s`.
        causes: why pods are not Ready.
    """

    due_s: float
    causes: Causes = field(default_factory=dict)


@dataclass
class Context:
    """The parts that all handlers share.

    `nodes` are those of the last list. `late_reports_s` is how long to wait for the last reports on a kill
    after all other evidence is complete: pods report once a second. `reserved` maps the UID of an
    Architecture to what this operator accepted for it; `admission` lets one pass at a time accept a spec, so
    that two passes do not give the same name away. `inspections` has the Architectures that are not Ready.
    `terminating` has the UIDs of the Architectures whose namespace is being deleted: nothing is written for
    them any more.
    """

    settings: Settings
    client: Client
    cache: Cache
    executor: Executor
    links: Links
    reach: Reacher
    tracer: Tracer
    owners: Owners
    keys: KeyPublisher
    metrics: Metrics = field(default_factory=no_metrics)
    claims: VictimClaims = field(default_factory=VictimClaims)
    nodes: tuple[Node, ...] = ()
    # Registrations that the API server contradicts, by Architecture.
    unknown_pods: dict[Key, frozenset[Registration]] = field(default_factory=dict)
    late_reports_s: float = 2.5
    reserved: dict[str, Reservation] = field(default_factory=dict)
    terminating: set[str] = field(default_factory=set)
    admission: asyncio.Lock = field(default_factory=asyncio.Lock)
    inspections: dict[Key, Inspection] = field(default_factory=dict)
    monotonic_s: Callable[[], float] = time.monotonic
