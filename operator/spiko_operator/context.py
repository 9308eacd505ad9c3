"""The parts of the operator that all handlers share. `app.py` creates them once."""

from __future__ import annotations

from dataclasses import dataclass, field

from opentelemetry.trace import Tracer

from spiko_operator.claims import Claims
from spiko_operator.cluster.cache import Cache
from spiko_operator.cluster.client import Client
from spiko_operator.cluster.execute import Executor
from spiko_operator.cluster.owners import Owners
from spiko_operator.eureka_links import Links
from spiko_operator.eureka_urls import Reacher
from spiko_operator.settings import Settings


@dataclass
class Context:
    """The parts that all handlers share.

    `node_zones` maps regions to zones, from the nodes' labels at the last full list. `late_reports_s` is how
    long to wait for the last reports on a kill after all other evidence is complete: pods report once a
    second.
    """

    settings: Settings
    client: Client
    cache: Cache
    executor: Executor
    links: Links
    reach: Reacher
    tracer: Tracer
    owners: Owners
    claims: Claims = field(default_factory=Claims)
    node_zones: dict[str, list[str]] = field(default_factory=dict)
    late_reports_s: float = 2.5
