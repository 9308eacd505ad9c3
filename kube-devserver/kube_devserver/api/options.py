"""The target of a write, and its options."""

from __future__ import annotations

from dataclasses import dataclass, field

from kube_devserver.objects.resource_registry import Resource


@dataclass
class Options:
    """The options of a write, from its query and headers.

    Args:
        manager: the field manager; by default the first word of the user agent.
        dry_run: validate, but store nothing.
        validation: what to do about unknown fields: Ignore, Warn or Strict.
        force: whether an apply takes fields that other managers own.
        warnings: filled with texts for the answer's Warning headers.
    """

    manager: str = "unknown"
    dry_run: bool = False
    validation: str = "Warn"
    force: bool = False
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Target:
    """One object, or one of its subresources."""

    resource: Resource
    namespace: str
    name: str
    subresource: str = ""
