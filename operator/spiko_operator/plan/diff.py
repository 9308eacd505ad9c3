"""Pure: the applies and deletes that turn the observed objects into the desired ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from spiko_operator.plan import names
from spiko_operator.plan.actions import Apply, Delete
from spiko_operator.plan.drift import Drift, find_drift
from spiko_operator.plan.objects import Object, desired_digest, is_deleting
from spiko_operator.plan.observed import ObjectKey, Observed
from spiko_operator.plan.ownership import OWNED_KINDS, is_ours, object_key_of


@dataclass(frozen=True)
class Wanted:
    """The desired objects, with what makes comparing them cheap.

    Args:
        objects: in the order of creation.
        complete: the objects with the API server's defaults.
        equal: observed objects that did not differ; they are not compared again as long as they are the same.
    """

    objects: Sequence[Object]
    complete: Mapping[ObjectKey, Object]
    equal: dict[ObjectKey, Object] = field(default_factory=dict)


def applies(observed: Observed, wanted: Wanted) -> list[Apply]:
    """Return the applies of objects that differ from the desired ones.

    The template of eurekas changes one zone at a time.
    """
    found: list[Apply] = []
    eurekas = [object_key_of(body) for body in wanted.objects if _is_eureka(body)]
    settled = all(_is_available(observed.objects.get(key)) for key in eurekas)
    for body, existing, drift in _differing(observed, wanted):
        if existing is None or drift is None:
            found.append(Apply(body))
            continue
        if _is_eureka(body) and "template" in drift.patch.get("spec", {}):
            # While another eureka rolls out, only a eureka that is not available is changed: the new template
            # may fix it.
            if not settled and _is_available(existing):
                continue
            settled = False
        restored = drift.fields if _was_applied(body, existing) else ()
        found.append(Apply(body, drift.patch, existing["metadata"]["uid"], restored))
    return found


def deletes(observed: Observed, desired: Sequence[Object]) -> list[Delete]:
    """Return the deletes of owned objects that are not desired; the state ConfigMap stays."""
    keep = {object_key_of(body) for body in desired}
    return [
        Delete(kind, observed.namespace, name, body["metadata"]["uid"])
        for (kind, name), body in observed.objects.items()
        if kind in OWNED_KINDS
        and (kind, name) not in keep
        and is_ours(observed, body)
        and not is_deleting(body)
    ]


def _differing(observed: Observed, wanted: Wanted) -> Iterator[tuple[Object, Object | None, Drift | None]]:
    """Yield each desired object that differs, the observed object, and how it differs."""
    for body in wanted.objects:
        key = object_key_of(body)
        # An object that lost its label is not among the observed ones.
        existing = observed.objects.get(key) or observed.foreign.get(key)
        if existing is None:
            yield body, None, None
        elif wanted.equal.get(key) is not existing:
            drift = find_drift(body, wanted.complete[key], existing)
            if drift is None:
                wanted.equal[key] = existing
            elif not _is_normalized(observed, body, drift):
                yield body, existing, drift


def _is_normalized(observed: Observed, body: Object, drift: Drift) -> bool:
    """Whether the difference remained after a patch: then it is the API server's normalization."""
    applied = observed.applied.get(object_key_of(body))
    return applied is not None and applied == desired_digest(body) and "metadata" not in drift.patch


def _was_applied(body: Object, existing: Object) -> bool:
    """Whether the same object was applied last, so that the difference is another client's."""
    applied = desired_digest(existing)
    return applied is not None and applied == desired_digest(body)


def _is_eureka(body: Object) -> bool:
    return bool(body["kind"] == "Deployment" and body["metadata"]["labels"][names.TIER] == names.EUREKA)


def _is_available(body: Object | None) -> bool:
    if body is None:
        return True
    state = body.get("status", {})
    fresh = state.get("observedGeneration", 0) >= body["metadata"].get("generation", 1)
    return bool(fresh and state.get("updatedReplicas", 0) >= 1 and state.get("availableReplicas", 0) >= 1)
