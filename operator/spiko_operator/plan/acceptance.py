"""Pure: the spec in effect: the observed one if it can be accepted, else the last accepted one, else none."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from spiko_operator.api.architecture import ArchitectureSpec
from spiko_operator.api.reasons import Reason
from spiko_operator.errors import PlanError
from spiko_operator.plan import names
from spiko_operator.plan.memo import Memo
from spiko_operator.plan.objects import Key, Object
from spiko_operator.plan.observed import Observed
from spiko_operator.plan.services import all_releases
from spiko_operator.plan.state import ArchitectureState, from_data
from spiko_operator.plan.status import Rejection
from spiko_operator.plan.timestamps import epoch_s
from spiko_operator.plan.topology import Topology, choose, grow, wanted_regions
from spiko_operator.plan.validation.checks import check_spec
from spiko_operator.plan.validation.findings import Finding
from spiko_operator.plan.validation.rules import Severity

_STATES: Memo[ArchitectureState] = Memo()
_REVIEWS: Memo[tuple[ArchitectureSpec | None, list[Finding]]] = Memo()
_IDENTITIES: Memo[dict[str, str]] = Memo()


@dataclass(frozen=True)
class Acceptance:
    """The outcome of accepting a spec.

    Args:
        state: the state to continue with; None if no spec was ever accepted.
        rejections: why the observed spec was rejected; empty if it was accepted.
    """

    state: ArchitectureState | None
    rejections: tuple[Rejection, ...] = ()


def accept(observed: Observed) -> Acceptance:
    """Return the state with the observed spec; if that is rejected, the state as it was, and why."""
    state, lost = read_state(observed)
    raw = observed.architecture.get("spec", {})
    spec, errors = _review(observed, raw)
    if spec is None:
        text = "the spec does not follow the resource's schema; `spiko lint` reports where"
        return Acceptance(state, (Rejection(Reason.INVALID, text),))
    topology = _topology(observed, state, spec, lost)
    identities = _identities(observed, raw, spec, topology)
    known = state.identities if state else {}
    rejections = [Rejection(finding.reason, _render(finding)) for finding in errors]
    rejections += [
        _conflict(version) for version, hash_ in identities.items() if known.get(version, hash_) != hash_
    ]
    if rejections:
        return Acceptance(state, tuple(rejections))
    if state is None:
        return Acceptance(_first_state(observed, spec, topology, identities, lost))
    if raw == state.accepted and topology == state.topology:
        return Acceptance(state)
    runtime, revision = state.runtime, state.runtime_revision
    if raw.get("runtime") != state.accepted.get("runtime"):
        runtime, revision = _runtime(observed, spec), revision + 1
    changed = replace(state, topology=topology, accepted=raw, runtime=runtime, identities=known | identities)
    return Acceptance(replace(changed, runtime_revision=revision))


def _review(observed: Observed, raw: Object) -> tuple[ArchitectureSpec | None, list[Finding]]:
    """Return the spec as a model, None if it does not follow the schema, and its errors."""

    def build() -> tuple[ArchitectureSpec | None, list[Finding]]:
        spec = parse_spec(raw)
        found = check_spec(observed.name, spec) if spec is not None else []
        return spec, [finding for finding in found if finding.severity is Severity.ERROR]

    return _REVIEWS.get((observed.namespace, observed.name), raw, build)


def _identities(
    observed: Observed, raw: Object, spec: ArchitectureSpec, topology: Topology
) -> dict[str, str]:
    """Return the hash of each version's identity, by `tier/version`."""

    def build() -> dict[str, str]:
        return {f"{r.tier}/{r.version}": r.identity.hash() for r in all_releases(spec, topology)}

    return _IDENTITIES.get((observed.namespace, observed.name), (raw, topology), build)


def forget_reviews(key: Key) -> None:
    """Drop what was read for a deleted Architecture."""
    for memo in (_STATES, _REVIEWS, _IDENTITIES):
        memo.forget(key)


def parse_spec(raw: Any) -> ArchitectureSpec | None:
    """Return the spec as a model; None if it does not follow the schema."""
    try:
        return ArchitectureSpec.model_validate(raw, strict=False)
    except ValidationError:
        return None


def read_state(observed: Observed) -> tuple[ArchitectureState | None, bool]:
    """Return the owned state, and whether an earlier one was lost."""
    found = observed.objects.get(("ConfigMap", names.state_name(observed.name)))
    if found is not None and observed.owns(found):
        data = found.get("data", {})
        try:
            return _STATES.get((observed.namespace, observed.name), data, lambda: from_data(data)), False
        except PlanError:
            return None, True
    return None, has_deployments(observed)


def has_deployments(observed: Observed) -> bool:
    """Whether Deployments of an earlier reconcile pass exist."""
    return any(kind == "Deployment" and observed.owns(body) for (kind, _), body in observed.objects.items())


def _first_state(
    observed: Observed, spec: ArchitectureSpec, topology: Topology, identities: dict[str, str], lost: bool
) -> ArchitectureState:
    return ArchitectureState(
        topology,
        observed.architecture.get("spec", {}),
        _runtime(observed, spec),
        identities=identities,
        started=lost,
        # The revision that the eurekas have was lost as well. The time is higher than any counter.
        configuration_counter=epoch_s(observed.now) if lost else 0,
        topology_reassigned=lost and _topology_copy(observed) is None,
    )


def _topology(
    observed: Observed, state: ArchitectureState | None, spec: ArchitectureSpec, lost: bool
) -> Topology:
    wanted = wanted_regions(spec.services)
    if state is not None:
        return grow(state.topology, spec.topology, observed.node_zones, wanted)
    if lost and (copy := _topology_copy(observed)) is not None:
        return grow(copy, spec.topology, observed.node_zones, wanted)
    return choose(spec.topology, observed.node_zones, wanted)


def _topology_copy(observed: Observed) -> Topology | None:
    """Return the topology from the annotation of a Deployment, or None."""
    for (kind, _), body in observed.objects.items():
        if kind == "Deployment" and observed.owns(body):
            try:
                return Topology.from_json(
                    json.loads(body["metadata"]["annotations"][names.TOPOLOGY_ANNOTATION])
                )
            except (KeyError, ValueError, TypeError):
                continue
    return None


def _runtime(observed: Observed, spec: ArchitectureSpec) -> Object:
    given = spec.runtime.model_dump(mode="json", by_alias=True, exclude_none=True) if spec.runtime else {}
    return {"image": observed.image} | given


def _conflict(version: str) -> Rejection:
    text = (
        f"{version}: ran before with another package, image or behavior; versions are immutable: add a "
        "new version"
    )
    return Rejection(Reason.VERSION_CONFLICT, text)


def _render(finding: Finding) -> str:
    return f"{finding.path}: {finding.message}" + (f"; {finding.hint}" if finding.hint else "")
