"""Shared by all tests: end-to-end tests run when asked for with `-m e2e`; helper modules beside tests can be imported."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

for folder in ("cluster", "serving", "registry", "operating", "e2e"):
    sys.path.insert(0, str(Path(__file__).parent / folder))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what needs a cluster unless the mark was asked for."""
    if "e2e" in (config.getoption("-m") or ""):
        return
    chosen = [item for item in items if item.get_closest_marker("e2e") is None]
    left = [item for item in items if item.get_closest_marker("e2e") is not None]
    items[:] = chosen
    config.hook.pytest_deselected(items=left)
