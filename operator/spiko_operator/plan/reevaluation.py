"""Pure: conditions that depend on something that the operator does not watch, and when they are evaluated
again.

`docs/conditions.md` lists for every condition what it depends on.
"""

from __future__ import annotations

from collections.abc import Sequence

from spiko_operator.api.reasons import Reason
from spiko_operator.plan.actions import Requeue
from spiko_operator.plan.status import Rejection

# Seconds. A condition is up to date within a minute: this is the rest for the pass itself.
REEVALUATE_S = 50.0
# Reasons of the condition Accepted that no watched object of the Architecture resolves.
UNWATCHED = frozenset({str(Reason.NAME_TAKEN), "OperatorLimit"})


def reevaluate(rejections: Sequence[Rejection]) -> list[Requeue]:
    """Return when to plan again, although nothing that is watched may change."""
    return [Requeue(REEVALUATE_S)] if any(r.reason in UNWATCHED for r in rejections) else []
