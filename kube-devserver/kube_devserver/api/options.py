"""What a write is of, and how it is meant."""

from __future__ import annotations

from dataclasses import dataclass, field

from kube_devserver.api.access import User
from kube_devserver.objects.resource_registry import Resource


@dataclass
class Options:
    """What the query and the headers of a write say.

    Args:
        manager: who writes; the user agent's first word if the query names nobody.
        dry_run: change nothing.
        strict: of unknown fields: Ignore, Warn, Strict.
        force: of an apply.
        user: who writes; None is the server itself, which may all.
        warnings: filled with what the answer should warn of.
    """

    manager: str = "unknown"
    dry_run: bool = False
    strict: str = "Warn"
    force: bool = False
    user: User | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Target:
    """One object, or one of its subresources."""

    resource: Resource
    namespace: str
    name: str
    subresource: str = ""
