"""Pure: the role of each package.

It is not in `roles`, so that a module that needs the types only does not import every role.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from spiko_nanoservice.contract import Package
from spiko_nanoservice.roles import Role
from spiko_nanoservice.roles.ring import RingNode
from spiko_nanoservice.roles.router import Router
from spiko_nanoservice.roles.staash import Staash
from spiko_nanoservice.roles.store import Store

ROLES: Mapping[Package, Callable[[], Role]] = {
    Package.DENOMINATOR: Router,
    Package.ELB: Router,
    Package.ZUUL: Router,
    Package.KARYON: Router,
    Package.MONOLITH: Router,
    Package.STAASH: Staash,
    Package.STORE: lambda: Store(Package.STORE),
    Package.CACHE: lambda: Store(Package.CACHE),
    Package.VOLUME: lambda: Store(Package.VOLUME),
    Package.PRIAM_CASSANDRA: RingNode,
    Package.RIAK: RingNode,
}


def make_role(package: Package) -> Role:
    """Return a new role of a package."""
    return ROLES[package]()
