"""Followers of a pod: which connections are informed of its callers."""

from __future__ import annotations

from spiko_nanoservice.contract import (
    PROTOCOL,
    Configuration,
    Hello,
    Place,
    Revision,
    TierConfig,
    VersionConfig,
    Zones,
)
from spiko_nanoservice.eureka.registry.effects import Effect, Inform, Send
from spiko_nanoservice.eureka.registry.registry import Registry

PLACES = (Place("r", "a", 1),)
VERSIONS = (VersionConfig("1.0.0", 100, PLACES),)
TIERS = (
    TierConfig("web", "monolith", ("db",), PLACES, VERSIONS),
    TierConfig("db", "store", (), PLACES, VERSIONS),
)


def a_registry() -> Registry:
    """Return a registry with a web server, session 1, that routes to a store, session 2."""
    registry = Registry("e", "r", "a", 0.0)
    registry.configure(Configuration("arch", Revision(0, 1), (Zones("r", ("a",)),), TIERS), 0.0)
    for number, (name, package) in enumerate((("web", "monolith"), ("db", "store")), start=1):
        registry.hello(
            number,
            Hello(PROTOCOL, name, name, name, package, "1.0.0", "r", "a", "10.0.0.1", 1, (1, number)),
            0.0,
        )
    registry.ack(1, 3, None, 0.0)
    return registry


def holders(effects: list[Effect]) -> list[int]:
    """Return the numbers of holders that followers are informed of."""
    return [e.message["holders"] for e in effects if isinstance(e, Inform) and e.message["t"] == "holders"]


def test_a_follower_that_stops_does_not_affect_another() -> None:
    """Given two followers of a pod, when one stops, then the other still gets the number of holders."""
    registry = a_registry()
    assert [1] == holders(registry.follow(10, "db"))
    assert [1] == holders(registry.follow(11, "db"))
    registry.unfollow(10, "db")

    assert [0] == holders(registry.lost(1, 0.0))


def test_a_follower_whose_connection_ends_is_forgotten() -> None:
    """Given a follower, when its connection ends, then no effect is for it and no follow is left."""
    registry = a_registry()
    registry.follow(10, "db")
    registry.unfollow_all(10)

    assert [] == holders(registry.lost(1, 0.0))
    assert not registry.holders.follows


def test_a_pod_that_deregisters_before_the_first_configuration_gets_left() -> None:
    """Given a registry without a configuration, when a pod deregisters, then it gets LEFT: no caller routes
    to it.
    """
    registry = Registry("e", "r", "a", 0.0)
    hello = Hello(PROTOCOL, "db", "db", "db", "store", "1.0.0", "r", "a", "10.0.0.1", 1, (1, 1))
    assert [] == registry.hello(1, hello, 0.0)

    sent = [effect.message["t"] for effect in registry.bye(1, 0.0) if isinstance(effect, Send)]

    assert ["left"] == sent
