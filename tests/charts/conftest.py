"""One real control plane without nodes for the tests that install the chart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.bare_control_plane import BareControlPlane, bare_control_plane
from tests.support.helm import find_helm


@pytest.fixture(scope="session")
def plane() -> Iterator[BareControlPlane]:
    """A real control plane, and helm."""
    find_helm()
    with bare_control_plane() as made:
        yield made
