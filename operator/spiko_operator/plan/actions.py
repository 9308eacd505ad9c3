"""Pure: the actions of a plan.

`cluster/execute.py` executes them in order; the first failure ends the pass.
"""

from __future__ import annotations

from dataclasses import dataclass

from spiko_operator.plan.objects import Object


@dataclass(frozen=True)
class CreateState:
    """Create the state ConfigMap; if it already exists, the pass is repeated with its content."""

    body: Object


@dataclass(frozen=True)
class ReplaceState:
    """Replace the observed state ConfigMap; if it was changed since, the pass is repeated."""

    body: Object


@dataclass(frozen=True)
class Apply:
    """Create an object by server-side apply, or patch the observed one.

    Args:
        body: the desired object.
        patch: JSON merge patch that makes the observed object the desired one; None to create it.
        uid: of the observed object.
        restored: paths of the fields that another client changed, if the patch undoes such a change.
    """

    body: Object
    patch: Object | None = None
    uid: str = ""
    restored: tuple[str, ...] = ()

    @property
    def changes_spec(self) -> bool:
        """Whether more than metadata changes."""
        return self.patch is None or bool(self.patch.keys() - {"metadata"})


@dataclass(frozen=True)
class Delete:
    """Delete the object with this UID."""

    kind: str
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True)
class SetStatus:
    """Merge fields into the status; None removes a field."""

    status: Object


@dataclass(frozen=True)
class Emit:
    """Emit an event on the resource. `type` is Normal or Warning."""

    type: str
    reason: str
    message: str
    action: str = "Reconcile"


@dataclass(frozen=True)
class Requeue:
    """Plan again after so many seconds."""

    after_s: float


Action = CreateState | ReplaceState | Apply | Delete | SetStatus | Emit | Requeue
