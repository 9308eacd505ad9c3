"""Pure: one pod's connection to this eureka."""

from __future__ import annotations

from dataclasses import dataclass

from spiko_nanoservice.contract import Hello, Instance, Revision
from spiko_nanoservice.eureka.registry.ring_sizes import is_ring
from spiko_nanoservice.eureka.registry.visibility import Viewpoint


@dataclass(slots=True)
class Session:
    """One pod's connection.

    Attributes:
        hello: the pod's registration, with the slot that it has now.
        viewpoint: decides which routing table the pod gets.
        source: the address from which the pod connected.
        acked: the revision of the table that the pod acknowledged; 0 before the first.
        config_acked: the revision of the configuration that the pod acknowledged.
        leaving: the pod has sent BYE and waits for LEFT.
    """

    hello: Hello
    viewpoint: Viewpoint
    source: str = ""
    acked: int = 0
    config_acked: Revision | None = None
    leaving: bool = False


def instance_of(hello: Hello) -> Instance:
    """Return the routing table's entry for a registration. Only nodes of rings show their slot."""
    slot = hello.slot if is_ring(hello.package) else None
    return Instance(
        hello.id,
        hello.tier,
        hello.package,
        hello.version,
        hello.region,
        hello.zone,
        hello.address,
        hello.port,
        slot,
    )


def identity_of(hello: Hello) -> tuple[str | int, ...]:
    """Return what never changes while a pod lives."""
    place = hello.region, hello.zone, hello.address, hello.port
    return (hello.name, hello.tier, hello.package, hello.version, *place)
