"""Our API server alone, as a process, for tests of what it does with single requests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devserver_support.servers import Server, own_server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A running API server; at the end its log must be free of tracebacks."""
    with own_server() as made:
        yield made
