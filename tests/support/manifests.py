"""Architectures as plain values, valid or not, for tests of the validation."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def tier(name: Any = "db", package: Any = "store", count: Any = 1, regions: Any = 1, **more: Any) -> Object:
    """Return one service."""
    return {"name": name, "package": package, "count": count, "regions": regions, **more}


def manifest(*services: Any, name: Any = "lamp", **spec: Any) -> Object:
    """Return an Architecture with a source for its first tier."""
    source = tier(
        "www",
        "denominator",
        0,
        0,
        dependencies=[s["name"] for s in services if isinstance(s.get("name"), str)][:32],
    )
    return {
        "apiVersion": "spiko.dev/v1alpha1",
        "kind": "Architecture",
        "metadata": {"name": name},
        "spec": {"services": [*services, source], **spec},
    }


def two(**second: Any) -> list[Object]:
    """Return the version 1.0.0 and another one."""
    return [{"version": "1.0.0"}, {"version": "1.1.0", **second}]


def split(*weights: tuple[str, int]) -> Object:
    """Return a routing."""
    return {"split": [{"version": version, "weight": weight} for version, weight in weights]}
