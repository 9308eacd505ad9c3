"""Instances in a caller's routing table."""

from __future__ import annotations

from spiko_nanoservice.contract import Dependency, Instance
from spiko_nanoservice.eureka.registry.view import View
from spiko_nanoservice.eureka.registry.visibility import Viewpoint


def instance(version: str) -> Instance:
    """Return an instance of web."""
    return Instance(f"web-{version}", "web", "monolith", version, "r", "a", "127.0.0.1", 8080)


def test_a_version_without_a_share_is_in_no_table() -> None:
    """Given a version of weight 0, or one that is not declared any more, then its instances have no callers,
    as `spiko graph -f` predicts.
    """
    shares = (("1.0.0", 100), ("1.1.0", 0))
    view = View(Viewpoint("lb", "elb", "r", "*"), False, (Dependency("web", 3, shares),))

    assert view.includes(instance("1.0.0"))
    assert not view.includes(instance("1.1.0"))
    assert not view.includes(instance("1.2.0"))
