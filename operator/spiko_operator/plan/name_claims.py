"""Pure: which of several Architectures gets a name that more than one of them needs.

`shop` with a tier `cart-db` and `shop-cart` with a tier `db` need the same names. An Architecture keeps the
names of its accepted spec. Of two that have not been accepted, the older one gets the name, by creation time
and then by name, so that every operator decides alike without asking another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from spiko_operator.api.architecture import KIND
from spiko_operator.api.reasons import Reason
from spiko_operator.plan import names
from spiko_operator.plan.conditions import ACCEPTED
from spiko_operator.plan.objects import Object, condition, is_deleting
from spiko_operator.plan.observed import Observed
from spiko_operator.plan.status import Rejection


def tiers_of(architecture: Mapping[str, Any]) -> list[str]:
    """Return the names of the tiers in the spec of an Architecture, also if the spec has errors."""
    spec = architecture.get("spec")
    services = spec.get("services") if isinstance(spec, Mapping) else None
    found = [s.get("name") for s in services if isinstance(s, Mapping)] if isinstance(services, list) else []
    return [name for name in found if isinstance(name, str) and name]


def claims(observed: Observed, tiers: Iterable[str], held: Iterable[str] | None) -> list[Rejection]:
    """Return a rejection for each Architecture that has a better claim to a name.

    Args:
        observed: with the other Architectures of the namespace.
        tiers: of the spec that is to be accepted.
        held: tiers of the spec that is in effect, whose names this Architecture keeps; None without one.
    """
    rivals = [
        other for other in observed.neighbors if names.may_share(observed.name, other["metadata"]["name"])
    ]
    if not rivals:
        return []
    wanted = names.needed_names(observed.name, tiers)
    if held is not None:
        wanted -= names.needed_names(observed.name, held)
    if not wanted:
        return []
    found = []
    for other in rivals:
        if shared := wanted & _claimed(observed, other):
            holder = f"{KIND} {other['metadata']['name']}"
            text = f"{holder} also needs the name {min(shared)}; rename the architecture or the tier"
            found.append(Rejection(Reason.NAME_TAKEN, text))
    return found


def is_older(one: Object, other: Object) -> bool:
    """Whether an Architecture was created before another one; of the same second, the lesser name counts."""
    return _age(one) < _age(other)


def _age(architecture: Object) -> tuple[str, str]:
    metadata = architecture["metadata"]
    return metadata.get("creationTimestamp", ""), metadata["name"]


def _claimed(observed: Observed, other: Object) -> frozenset[str]:
    """Return the names to which another Architecture has a better claim."""
    reserved = observed.reserved.get(other["metadata"]["uid"])
    kept = reserved.names if reserved is not None else frozenset()
    if is_deleting(other):
        return kept
    verdict = condition(other, ACCEPTED)
    status = verdict.get("status") if _is_current(verdict, other) else "Unknown"
    is_refused = status == "False" and verdict.get("reason") != Reason.NAME_TAKEN
    if status == "True" or (not is_refused and is_older(other, observed.architecture)):
        return kept | names.needed_names(other["metadata"]["name"], tiers_of(other))
    return kept


def _is_current(verdict: Object, architecture: Object) -> bool:
    generation = architecture["metadata"].get("generation", 0)
    return bool(verdict.get("observedGeneration", -1) == generation)
