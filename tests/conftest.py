"""Selection of tests: end-to-end tests run with `--all` (except the longest) or `-m e2e`, differential ones
and those on real nodes with `-m`.
"""

from __future__ import annotations

import os

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--all`, which the README's command uses."""
    parser.addoption(
        "--all", action="store_true", help="also run end-to-end tests, on the built-in API server"
    )


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """With `-n`, one process has all tests of clusters, since a machine can have one local cluster."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "cluster" if path.startswith("tests/e2e/") or path.endswith("_e2e.py") else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Return the schedule of tests in several processes."""
    return Scheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect tests that need a cluster, or both API servers, unless their mark is selected."""
    selected = (config.getoption("-m") or "") + (" e2e" if config.getoption("--all") else "")
    selected += " e2e" if "long" in selected or "nightly" in selected else ""
    expensive = [mark for mark in ("e2e", "differential", "nightly", "nodes") if mark not in selected]
    is_real = os.environ.get("SPIKO_TEST_CONTROL_PLANE") == "real"
    expensive.append("built_in" if is_real else "real")
    if not config.getoption("-m"):
        expensive.append("long")
    left = [item for item in items if any(item.get_closest_marker(mark) for mark in expensive)]
    items[:] = [item for item in items if item not in left]
    config.hook.pytest_deselected(items=left)
