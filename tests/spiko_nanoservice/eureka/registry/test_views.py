"""What is in a caller's table."""

from __future__ import annotations

from spiko_nanoservice.contract import Dependency, Instance
from spiko_nanoservice.eureka.registry.view import View
from spiko_nanoservice.eureka.registry.visibility import Viewpoint


def instance(version: str) -> Instance:
    """One of web's."""
    return Instance(f"web-{version}", "web", "monolith", version, "r", "a", "127.0.0.1", 8080)


def test_a_version_without_a_share_is_in_nobodys_table() -> None:
    """Its instances are nodes without callers, as `spiko graph -f` predicts; a version that is declared no more is no different."""
    shares = (("1.0.0", 100), ("1.1.0", 0))
    view = View(Viewpoint("lb", "elb", "r", "*"), False, (Dependency("web", 3, shares),))

    assert view.includes(instance("1.0.0"))
    assert not view.includes(instance("1.1.0"))
    assert not view.includes(instance("1.2.0"))
