"""Kills for tests: the spec of a Fault with a kill, and a time."""

from __future__ import annotations

from typing import Any

from spiko_operator.api.fault import FaultSpec, Kill

NOW = "2026-01-01T00:00:10Z"


def spec(seed: int = 1, mode: str = "Enforce", **kill: Any) -> FaultSpec:
    """Return the spec of a Fault."""
    return FaultSpec.model_validate({"architecture": "shop", "seed": seed, "mode": mode, "kill": kill})


def kill_of(fault: FaultSpec) -> Kill:
    """Return the kill of a Fault."""
    assert fault.kill is not None
    return fault.kill
