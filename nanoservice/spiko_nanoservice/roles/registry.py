"""Pure: which role a package has. Apart from `roles`, so that whoever needs their words only does not import all of them."""

from __future__ import annotations

from spiko_nanoservice.contract import Package
from spiko_nanoservice.roles import Role
from spiko_nanoservice.roles.ring import RingNode
from spiko_nanoservice.roles.router import Router
from spiko_nanoservice.roles.staash import Staash
from spiko_nanoservice.roles.store import Store


def make_role(package: Package) -> Role:
    """The role of a package."""
    match package:
        case Package.STORE | Package.CACHE | Package.VOLUME:
            return Store(package)
        case Package.STAASH:
            return Staash()
        case Package.PRIAM_CASSANDRA | Package.RIAK:
            return RingNode()
        case Package.DENOMINATOR | Package.ELB | Package.ZUUL | Package.KARYON | Package.MONOLITH:
            return Router()
