"""Fixtures of the API server's tests. Differential tests run only if `-m` asks for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devserver_support.servers import Server, own_server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A running API server; at the end its log must be free of tracebacks."""
    with own_server() as made:
        yield made


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the differential suite, which needs a real control plane."""
    if "differential" in (config.getoption("-m") or ""):
        return
    left = [item for item in items if item.get_closest_marker("differential")]
    items[:] = [item for item in items if item not in left]
    config.hook.pytest_deselected(items=left)
