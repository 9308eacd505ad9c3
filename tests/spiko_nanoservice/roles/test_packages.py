"""The table of packages: one row for each, as the rest of Spiko uses it."""

from __future__ import annotations

import pytest

from spiko_nanoservice.contract import PACKAGES, Package, Sees, StorageKind
from spiko_nanoservice.roles.registry import ROLES, make_role

REGION, ZONE = Sees.REGION, Sees.ZONE
ROWS = [
    # package, sees, source, forwards, ring, storage, role
    ("denominator", REGION, True, True, False, None, "Router"),
    ("elb", REGION, False, True, False, None, "Router"),
    ("zuul", ZONE, False, True, False, None, "Router"),
    ("karyon", ZONE, False, True, False, None, "Router"),
    ("monolith", REGION, False, True, False, None, "Router"),
    ("staash", REGION, False, True, False, StorageKind.STAASH, "Staash"),
    ("store", REGION, False, False, False, StorageKind.STORE, "Store"),
    ("cache", REGION, False, False, False, StorageKind.CACHE, "Store"),
    ("volume", REGION, False, False, False, StorageKind.VOLUME, "Store"),
    ("priamCassandra", REGION, False, False, True, StorageKind.RING, "RingNode"),
    ("riak", REGION, False, False, True, StorageKind.RING, "RingNode"),
]


@pytest.mark.parametrize("row", ROWS, ids=[str(row[0]) for row in ROWS])
def test_traits_and_role_of_a_package(row: tuple[object, ...]) -> None:
    """Given a package, then its traits and role are those of its row."""
    package = Package(str(row[0]))
    traits = PACKAGES[package]

    found = (
        traits.sees,
        traits.source,
        traits.forwards,
        traits.ring,
        traits.storage,
        type(make_role(package)).__name__,
    )
    assert found == row[1:]


def test_every_package_has_a_row_everywhere() -> None:
    """Given all packages, then each has traits, a role and a row in this test."""
    assert set(Package) == set(PACKAGES) == set(ROLES) == {row[0] for row in ROWS}
