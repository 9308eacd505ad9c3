"""Shared by all tests: end-to-end tests run with `--all` (but for the longest) or `-m e2e`, differential ones with `-m`; helper modules beside tests can be imported."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

for folder in ("cluster", "serving", "registry", "operating", "e2e", "kubectl_sessions", "console"):
    sys.path.insert(0, str(Path(__file__).parent / folder))


def pytest_configure() -> None:
    """A shell's background job ignores SIGINT, and whatever it starts does so, too: what tests start must hear it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--all` is what the README's command asks for."""
    parser.addoption("--all", action="store_true", help="end-to-end tests as well, on our own API server")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what needs a cluster, or both API servers, unless its mark was asked for."""
    asked = (config.getoption("-m") or "") + (" e2e" if config.getoption("--all") else "")
    asked += " e2e" if "long" in asked else ""
    dear = [mark for mark in ("e2e", "differential") if mark not in asked]
    if os.environ.get("SPIKO_TEST_CONTROL_PLANE") != "real":
        dear.append("real")
    if not config.getoption("-m"):
        dear.append("long")
    left = [item for item in items if any(item.get_closest_marker(mark) for mark in dear)]
    items[:] = [item for item in items if item not in left]
    config.hook.pytest_deselected(items=left)
