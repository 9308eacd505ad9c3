"""Pure: the spec in effect: the observed one if it can be accepted, else the last accepted one, else none."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from spiko_nanoservice.contract import Revision
from spiko_operator.api.architecture import ArchitectureSpec
from spiko_operator.api.reasons import Reason
from spiko_operator.errors import PlanError
from spiko_operator.plan import names
from spiko_operator.plan.limits import Size, size_of
from spiko_operator.plan.memo import Memo
from spiko_operator.plan.name_claims import claims, tiers_of
from spiko_operator.plan.nodes import open_zones
from spiko_operator.plan.objects import Key, Object
from spiko_operator.plan.observed import Observed
from spiko_operator.plan.ownership import is_ours
from spiko_operator.plan.runtime import record_runtime
from spiko_operator.plan.services import all_releases
from spiko_operator.plan.state import ArchitectureState, from_data, from_topology_copy
from spiko_operator.plan.status import Rejection
from spiko_operator.plan.timestamps import epoch_s
from spiko_operator.plan.topology import Topology, choose, grow, wanted_regions
from spiko_operator.plan.validation.checks import check_spec
from spiko_operator.plan.validation.findings import Finding
from spiko_operator.plan.validation.limit_rules import limit_rules, total_rules
from spiko_operator.plan.validation.rule import Severity

_STATES: Memo[ArchitectureState] = Memo()
_SPECS: Memo[ArchitectureSpec | None] = Memo()
_ERRORS: Memo[list[Finding]] = Memo()
_IDENTITIES: Memo[dict[str, str]] = Memo()


@dataclass(frozen=True)
class Acceptance:
    """The outcome of accepting a spec.

    Args:
        state: the state to continue with; None if no spec was ever accepted.
        rejections: why the observed spec was rejected; empty if it was accepted.
        before: the state as it was before this pass.
    """

    state: ArchitectureState | None
    rejections: tuple[Rejection, ...] = ()
    before: ArchitectureState | None = None


def accept(observed: Observed) -> Acceptance:
    """Return the state with the observed spec; if that is rejected, the state as it was, and why."""
    state, lost = read_state(observed)
    raw = observed.architecture.get("spec", {})
    spec = _read_spec(observed, raw)
    if spec is None:
        text = "the spec does not follow the resource's schema; `spiko lint` reports where"
        return Acceptance(state, (Rejection(Reason.INVALID, text),), state)
    topology = _topology(observed, state, spec, lost)
    if exceeded := _exceeded(observed, state, spec, topology):
        return Acceptance(state, tuple(Rejection(f.reason, _render(f)) for f in exceeded), state)
    errors = _errors(observed, raw, spec)
    identities = _identities(observed, raw, spec, topology)
    known = state.identities if state else {}
    rejections = [Rejection(finding.reason, _render(finding)) for finding in errors]
    rejections += [
        _conflict(version) for version, hash_ in identities.items() if known.get(version, hash_) != hash_
    ]
    held = tiers_of({"spec": state.accepted}) if state else None
    rejections += claims(observed, [service.name for service in spec.services], held)
    if rejections:
        return Acceptance(state, tuple(rejections), state)
    if state is None:
        return Acceptance(_first_state(observed, spec, topology, identities, lost))
    if raw == state.accepted and topology == state.topology:
        return Acceptance(state, (), state)
    runtime, revision = state.runtime, state.runtime_revision
    if raw.get("runtime") != state.accepted.get("runtime"):
        runtime, revision = record_runtime(spec, observed.image), revision + 1
    changed = replace(state, topology=topology, accepted=raw, runtime=runtime, identities=known | identities)
    return Acceptance(replace(changed, runtime_revision=revision), (), state)


def _read_spec(observed: Observed, raw: Object) -> ArchitectureSpec | None:
    """Return the spec as a model; None if it does not follow the schema."""
    return _SPECS.get((observed.namespace, observed.name), raw, lambda: parse_spec(raw))


def _errors(observed: Observed, raw: Object, spec: ArchitectureSpec) -> list[Finding]:
    """Return the errors of a spec that is within the limits."""

    def build() -> list[Finding]:
        return [found for found in check_spec(observed.name, spec) if found.severity is Severity.ERROR]

    return _ERRORS.get((observed.namespace, observed.name), raw, build)


def _identities(
    observed: Observed, raw: Object, spec: ArchitectureSpec, topology: Topology
) -> dict[str, str]:
    """Return the hash of each version's identity, by `tier/version`."""

    def build() -> dict[str, str]:
        return {f"{r.tier}/{r.version}": r.identity.hash() for r in all_releases(spec, topology)}

    return _IDENTITIES.get((observed.namespace, observed.name), (raw, topology), build)


def forget_reviews(key: Key) -> None:
    """Drop what was read for a deleted Architecture."""
    for memo in (_STATES, _SPECS, _ERRORS, _IDENTITIES):
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
    if found is not None and is_ours(observed, found):
        data = dict(found.get("data") or {})
        try:
            return _STATES.get(
                (observed.namespace, observed.name),
                (data, observed.state_key),
                lambda: from_data(data, observed.state_key),
            ), False
        except PlanError:
            return None, True
    return None, _has_deployments(observed)


def _has_deployments(observed: Observed) -> bool:
    """Whether Deployments of an earlier reconcile pass exist."""
    return any(
        kind == "Deployment" and is_ours(observed, body) for (kind, _), body in observed.objects.items()
    )


def _exceeded(
    observed: Observed, state: ArchitectureState | None, spec: ArchitectureSpec, topology: Topology
) -> list[Finding]:
    """Return the findings about the operator's limits, before anything of the spec is built.

    The limits of all Architectures together are checked for a spec that asks for more than the one in effect.
    """
    findings = limit_rules(spec, topology, observed.limits, observed.image)
    if state is not None and observed.architecture.get("spec") == state.accepted:
        return findings
    size, in_effect = size_of(spec, topology), parse_spec(state.accepted) if state else None
    before = size_of(in_effect, state.topology) if state and in_effect else Size()
    if size.pods > before.pods or size.objects > before.objects:
        findings += total_rules(size, observed.others, observed.limits)
    return findings


def _first_state(
    observed: Observed, spec: ArchitectureSpec, topology: Topology, identities: dict[str, str], lost: bool
) -> ArchitectureState:
    return ArchitectureState(
        topology,
        observed.architecture.get("spec", {}),
        record_runtime(spec, observed.image),
        identities=identities,
        started=lost,
        # The revision that the eurekas have was lost as well. The time is higher than a counter of changes.
        revision=Revision(0, epoch_s(observed.now) if lost else 0),
        topology_reassigned=lost and _topology_copy(observed) is None,
        rebuilt_generation=observed.architecture["metadata"]["generation"] if lost else 0,
    )


def _topology(
    observed: Observed, state: ArchitectureState | None, spec: ArchitectureSpec, lost: bool
) -> Topology:
    wanted = wanted_regions(spec.services)
    labeled = open_zones(observed.nodes, _tolerations(spec))
    if state is not None:
        return grow(state.topology, spec.topology, labeled, wanted)
    if lost and (copy := _topology_copy(observed)) is not None:
        return grow(copy, spec.topology, labeled, wanted)
    return choose(spec.topology, labeled, wanted)


def _tolerations(spec: ArchitectureSpec) -> list[Object]:
    given = (spec.runtime.tolerations if spec.runtime else None) or ()
    return [toleration.model_dump(mode="json", by_alias=True, exclude_none=True) for toleration in given]


def _topology_copy(observed: Observed) -> Topology | None:
    """Return the topology from the annotation of a Deployment, or None."""
    for (kind, _), body in observed.objects.items():
        if kind == "Deployment" and is_ours(observed, body):
            annotations = body["metadata"].get("annotations") or {}
            with contextlib.suppress(PlanError):
                return from_topology_copy(
                    str(annotations.get(names.TOPOLOGY_ANNOTATION, "")), observed.state_key
                )
    return None


def _conflict(version: str) -> Rejection:
    text = (
        f"{version}: ran before with another package, image or behavior; versions are immutable: add a "
        "new version"
    )
    return Rejection(Reason.VERSION_CONFLICT, text)


def _render(finding: Finding) -> str:
    return f"{finding.path}: {finding.message}" + (f"; {finding.hint}" if finding.hint else "")
