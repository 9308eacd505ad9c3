"""What a pod brings along whenever it registers, over all connections and reconnections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from spiko_nanoservice.contract import PROTOCOL, Hello, Instance
from spiko_nanoservice.settings import Settings


@dataclass(slots=True)
class PodRegistration:
    """What a pod brings along whenever it registers.

    Attributes:
        settings: identity of the pod.
        port: that it listens on.
        started_ms: start of the process, milliseconds since 1970.
        registrations: how often it has registered.
        slot: its slot; None for a spare.
        grant: the number of the grant of its slot.
        leaving: it is about to leave and does not register any more.
        on_slot: called with a new slot and the instance that had it before, if the eureka knows one.
    """

    settings: Settings
    port: int
    started_ms: int
    registrations: int = 0
    slot: int | None = None
    grant: int | None = None
    leaving: bool = False
    on_slot: Callable[[Instance | None], None] = lambda before: None

    def hello(self) -> Hello:
        """Return the next registration."""
        self.registrations += 1
        s = self.settings
        return Hello(
            PROTOCOL, s.pod_uid, s.pod_name, s.tier, s.package, s.version, s.region, s.zone, s.address,
            self.port,
            (self.started_ms, self.registrations), self.slot, self.grant,
        )  # fmt: skip
