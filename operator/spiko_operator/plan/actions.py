"""What planning asks for, in order; carried out by `cluster/execute.py`, the first failure ends the round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True)
class CreateState:
    """Create the memory; if it exists already the round ends and begins again with what is there."""

    body: Object


@dataclass(frozen=True)
class ReplaceState:
    """Replace the memory that was read; if it has changed since, the round begins again."""

    body: Object


@dataclass(frozen=True)
class Apply:
    """Server-side apply."""

    body: Object


@dataclass(frozen=True)
class Delete:
    """Delete the object with this UID."""

    kind: str
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True)
class SetStatus:
    """Merge into the status; None removes a field."""

    status: Object


@dataclass(frozen=True)
class Emit:
    """An event on the resource. `type` is Normal or Warning."""

    type: str
    reason: str
    message: str
    action: str = "Reconcile"


@dataclass(frozen=True)
class Again:
    """Plan again after so many seconds, whatever happens meanwhile."""

    after_s: float


Action = CreateState | ReplaceState | Apply | Delete | SetStatus | Emit | Again
