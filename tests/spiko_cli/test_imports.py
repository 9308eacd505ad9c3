"""What commands without a cluster import: CPU time at the start is the time of imports."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.paths import EXAMPLES

# Packages that take longer than 20 ms to import, except those that reading a manifest needs.
NETWORK = {"aiohttp", "cryptography", "google", "hdrh", "kopf", "kubernetes", "opentelemetry", "rich"}
MODELS = {"pydantic", "yaml"}
LAMP = str(EXAMPLES / "lamp.yaml")


def imported(*arguments: str) -> set[str]:
    """Run a command and return the packages that it has imported."""
    command = [sys.executable, "-X", "importtime", "-m", "spiko_cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}


@pytest.mark.parametrize("arguments", [("lint", LAMP), ("graph", "-f", LAMP)], ids=" ".join)
def test_reading_a_file_imports_nothing_for_a_network(arguments: tuple[str, ...]) -> None:
    """Given a command that reads a file, then it imports models, but no client and no event loop."""
    packages = imported(*arguments)

    assert MODELS <= packages
    assert set() == packages & (NETWORK | {"asyncio"})


@pytest.mark.parametrize(
    "arguments",
    [("--version",), ("--help",), ("completion", "bash"), ("run", "--help"), ("top", "--help")],
    ids=" ".join,
)
def test_help_imports_neither_models_nor_clients(arguments: tuple[str, ...]) -> None:
    """Given a command that prints a text of its own, then it imports nothing that takes long."""
    packages = imported(*arguments)

    assert "click" in packages
    assert set() == packages & (NETWORK | MODELS)
