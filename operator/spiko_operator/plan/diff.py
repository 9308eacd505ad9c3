"""Pure: the applies and deletes that turn the observed objects into the desired ones."""

from __future__ import annotations

from collections.abc import Sequence

from spiko_operator.plan import names
from spiko_operator.plan.actions import Apply, Delete
from spiko_operator.plan.drift import covers
from spiko_operator.plan.objects import Object, is_deleting
from spiko_operator.plan.observed import Observed
from spiko_operator.plan.ownership import OWNED_KINDS, is_ours, key_of
from spiko_operator.plan.state import digest


def applies(observed: Observed, desired: Sequence[Object]) -> list[Apply]:
    """Return the applies of objects that differ from the desired ones.

    The template of eurekas changes one zone at a time.
    """
    found: list[Apply] = []
    settled = all(_is_available(observed.objects.get(key_of(body))) for body in desired if _is_eureka(body))
    for body in desired:
        existing = observed.objects.get(key_of(body))
        if existing is not None and _matches(observed, body, existing):
            continue
        if existing is not None and _is_eureka(body) and _changes_template(body, existing):
            # While another eureka rolls out, only a eureka that is not available is applied: the new template
            # may fix it.
            if not settled and _is_available(existing):
                continue
            settled = False
        found.append(Apply(body))
    return found


def deletes(observed: Observed, desired: Sequence[Object]) -> list[Delete]:
    """Return the deletes of owned objects that are not desired; the state ConfigMap stays."""
    keep = {key_of(body) for body in desired}
    return [
        Delete(kind, observed.namespace, name, body["metadata"]["uid"])
        for (kind, name), body in observed.objects.items()
        if kind in OWNED_KINDS
        and (kind, name) not in keep
        and is_ours(observed, body)
        and not is_deleting(body)
    ]


def _matches(observed: Observed, body: Object, existing: Object) -> bool:
    if covers(body, existing):
        return True
    return observed.applied.get(key_of(body)) == digest(body) and covers(
        body["metadata"], existing["metadata"]
    )


def _changes_template(body: Object, existing: Object) -> bool:
    return not covers(body["spec"]["template"], existing["spec"]["template"])


def _is_eureka(body: Object) -> bool:
    return bool(body["kind"] == "Deployment" and body["metadata"]["labels"][names.TIER] == names.EUREKA)


def _is_available(body: Object | None) -> bool:
    if body is None:
        return True
    state = body.get("status", {})
    fresh = state.get("observedGeneration", 0) >= body["metadata"].get("generation", 1)
    return bool(fresh and state.get("updatedReplicas", 0) >= 1 and state.get("availableReplicas", 0) >= 1)
