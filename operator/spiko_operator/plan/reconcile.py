"""Pure: one reconcile pass for one Architecture: observed state in, ordered actions out.

START HERE to understand the operator.

The order matters. First `acceptance.py` settles which spec is in effect. Then the state is written, before
anything depends on it. Then objects that differ are applied, objects that are not desired are deleted, and
the status reports the observed state. A pass that is interrupted anywhere is simply repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from spiko_nanoservice.contract import Configuration, Revision
from spiko_operator.api.architecture import ArchitectureSpec
from spiko_operator.plan import names, status
from spiko_operator.plan.acceptance import Acceptance, accept, forget_reviews, read_state
from spiko_operator.plan.actions import (
    Action,
    Apply,
    CreateState,
    ReplaceState,
    Requeue,
    SetStatus,
)
from spiko_operator.plan.conditions import (
    ACCEPTED,
    APPLIED,
    EXPORTING,
    PODS_VERIFIED,
    SERVING,
    STATE_VERIFIED,
    Observation,
    changed_fields,
    events_of,
    merge_conditions,
    not_observed,
)
from spiko_operator.plan.desired import Desired, build_desired, draft_configuration, forget_desired
from spiko_operator.plan.diff import applies, deletes
from spiko_operator.plan.drift import has_metadata
from spiko_operator.plan.health_conditions import observe_health
from spiko_operator.plan.limits import size_of
from spiko_operator.plan.objects import Key, Object, is_deleting, owner_reference
from spiko_operator.plan.observed import ObjectKey, Observed, Reservation
from spiko_operator.plan.ownership import NameCheck, check_names, release, unknown_names
from spiko_operator.plan.readiness import Readiness, observe_readiness
from spiko_operator.plan.reevaluation import reevaluate
from spiko_operator.plan.runtime import observe_runtime
from spiko_operator.plan.state import ArchitectureState, config_map

GARBAGE_COLLECTION_RETRY_S = 0.25
# Fields of the status that stay as they are while no spec is in effect.
_KEPT_FIELDS = ("scale", "selector", "regions", "configRevision", "runtime")


@dataclass(frozen=True)
class ReconcilePlan:
    """What to do.

    Args:
        actions: in order.
        configuration: for the eurekas.
        unknown: the names to look up before the first apply.
        reservation: what is in effect after this pass, for those of other Architectures; None if nothing.
        incomplete: Deployment -> tier, of Deployments that are not complete.
    """

    actions: list[Action]
    configuration: Configuration | None = None
    unknown: tuple[ObjectKey, ...] = ()
    reservation: Reservation | None = None
    incomplete: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Draft:
    """A state with its spec and its desired objects."""

    state: ArchitectureState
    built: Desired


def plan(observed: Observed) -> ReconcilePlan:
    """Plan one reconcile pass. Idempotent: planning again after applying the result yields no actions."""
    if is_deleting(observed.architecture):
        return ReconcilePlan([])  # garbage collection deletes what the Architecture owns
    acceptance = accept(observed)
    draft = _draft(observed, acceptance.state)
    # Nothing was accepted yet, or a newer release accepted a spec that the schema of this one rejects.
    if draft is None:
        return ReconcilePlan(_status_without_spec(observed, acceptance))
    name_check = check_names(observed, draft.built.wanted.objects)
    # An edit that needs a name of another owner is rejected: the last accepted spec stays in effect.
    if name_check.taken and acceptance.before is not acceptance.state:
        rejections = (*acceptance.rejections, *name_check.taken)
        before = _draft(observed, acceptance.before)
        if before is not None:
            acceptance = Acceptance(acceptance.before, rejections, acceptance.before)
            draft, name_check = before, check_names(observed, before.built.wanted.objects)
    if not name_check.is_free:
        return _wait_for_names(observed, acceptance, draft, name_check)
    changes = applies(observed, draft.built.wanted)
    readiness = _readiness(observed, draft, changes)
    state = draft.state
    state = replace(state, started=state.started or _is_started(observed, state, readiness))
    held = status.highest_unknown(state.revision, observed.reports)
    state, configuration = _configure(observed, draft.built.spec, state, held)
    writes = [*_write_state(observed, state), *changes, *deletes(observed, draft.built.wanted.objects)]
    outbid = [] if held is None else [status.unknown_revision(held)]
    after = _status(observed, acceptance.rejections, state, readiness, *outbid)
    return ReconcilePlan(
        [*writes, *after, *reevaluate(acceptance.rejections)],
        configuration,
        unknown_names(observed, draft.built.wanted.objects),
        _reservation(observed, draft, is_latest=not acceptance.rejections),
        readiness.incomplete,
    )


def forget(key: Key) -> None:
    """Drop what is kept between the passes of an Architecture that was deleted."""
    forget_reviews(key)
    forget_desired(key)


def _draft(observed: Observed, state: ArchitectureState | None) -> _Draft | None:
    built = build_desired(observed, state) if state is not None else None
    return None if state is None or built is None else _Draft(state, built)


def _reservation(observed: Observed, draft: _Draft, is_latest: bool) -> Reservation:
    generation = observed.architecture["metadata"]["generation"] if is_latest else 0
    needed = names.needed_names(observed.name, [service.name for service in draft.built.spec.services])
    return Reservation(generation, needed, size_of(draft.built.spec, draft.state.topology))


def _wait_for_names(
    observed: Observed, acceptance: Acceptance, draft: _Draft, name_check: NameCheck
) -> ReconcilePlan:
    """Write the status only, until every name is free."""
    rejections, state = (*acceptance.rejections, *name_check.taken), acceptance.before
    if state is None:
        actions = _status_without_spec(observed, replace(acceptance, rejections=rejections))
    else:
        applied = not_observed(APPLIED, "nothing is applied until every name is free")
        actions = _status(observed, rejections, state, _readiness(observed, draft, []), applied)
    if not name_check.taken:
        return ReconcilePlan([*actions, Requeue(GARBAGE_COLLECTION_RETRY_S)])
    started = state is not None and state.started
    actions += [*release(observed, name_check.holders, started), *reevaluate(rejections)]
    kept = _reservation(observed, draft, is_latest=False) if started else None
    return ReconcilePlan(actions, reservation=kept)


def _readiness(observed: Observed, draft: _Draft, changes: Sequence[Apply]) -> Readiness:
    deployments = [body for body in draft.built.wanted.objects if body["kind"] == "Deployment"]
    changing = frozenset(
        a.body["metadata"]["name"] for a in changes if a.body["kind"] == "Deployment" and a.changes_spec
    )
    return observe_readiness(deployments, observed.objects, changing, observed.causes)


# -------------------------------------------------------------------- configuration and state


def _configure(
    observed: Observed, spec: ArchitectureSpec, state: ArchitectureState, held: Revision | None
) -> tuple[ArchitectureState, Configuration]:
    """Return the state and the configuration with its revision.

    The revision grows when the content changes, and when a eureka has a higher one that this operator did not
    send. It is recorded before the configuration is sent.
    """
    draft, content = draft_configuration(observed, spec, state)
    if content != state.configuration_hash or held is not None:
        revision = (held or state.revision).next() or state.revision
        state = replace(state, configuration_hash=content, revision=revision)
    return state, replace(draft, revision=state.revision)


def _is_started(observed: Observed, state: ArchitectureState, readiness: Readiness) -> bool:
    """Whether every pod is Ready and acts on the configuration: from then on sources send requests."""
    programmed = _programmed(observed, state, readiness)
    return readiness.observation().status == programmed.status == "True"


def _programmed(observed: Observed, state: ArchitectureState, readiness: Readiness) -> Observation:
    first = 0 if state.started else readiness.pods
    eurekas = len(state.topology.zones)
    return status.programmed(state.revision, eurekas, readiness.pods_ready, observed.reports, first)


def _write_state(observed: Observed, state: ArchitectureState) -> list[Action]:
    found = observed.objects.get(("ConfigMap", names.state_name(observed.name)))
    # Packing the accepted spec takes long, so that an unchanged state is not packed.
    owner = owner_reference(observed.architecture)
    metadata = {"labels": {names.ARCHITECTURE: observed.name}, "ownerReferences": [owner]}
    if found is not None and read_state(observed)[0] == state and has_metadata(metadata, found["metadata"]):
        return []
    body = config_map(observed.name, observed.namespace, owner, state, observed.state_key)
    if found is None:
        return [CreateState(body)]
    body["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"]
    return [ReplaceState(body)]


# -------------------------------------------------------------------- status


def _status_without_spec(observed: Observed, acceptance: Acceptance) -> list[Action]:
    """Report the rejections. The other conditions become Unknown: they describe a spec in effect."""
    before: Object = observed.architecture.get("status") or {}
    rejections = acceptance.rejections
    observations = [status.accepted(rejections, in_effect=acceptance.before is not None)]
    why = "no spec is in effect" if acceptance.before is None else "the spec in effect cannot be read"
    others = [c["type"] for c in before.get("conditions") or () if c["type"] != ACCEPTED]
    observations += [not_observed(kind, why) for kind in others]
    fields = {key: before[key] for key in _KEPT_FIELDS if key in before}
    return [*_write_status(observed, observations, fields), *reevaluate(rejections)]


def _status(
    observed: Observed,
    rejections: Sequence[status.Rejection],
    state: ArchitectureState,
    readiness: Readiness,
    *special: Observation,
) -> list[Action]:
    """Report what is observed; a `special` observation replaces the ordinary one of its type."""
    conditions = (observed.architecture.get("status") or {}).get("conditions") or []
    endpoint = (state.accepted.get("telemetry") or {}).get("otlpEndpoint") or observed.collector
    ordinary = [
        status.accepted(rejections, in_effect=True),
        status.applied(observed.refused),
        _programmed(observed, state, readiness),
        readiness.observation(),
        observe_runtime(state.runtime, state.accepted, observed.image),
        status.zones_labeled(
            state.topology, observed.nodes, state.runtime.get("tolerations") or (), state.topology_reassigned
        ),
        *_verified(observed, state),
        *observe_health(observed.health, endpoint, conditions),
    ]
    replaced = {observation.type: observation for observation in special}
    observations = [replaced.get(observation.type, observation) for observation in ordinary]
    r = readiness
    fields: Object = {
        "scale": int(state.accepted.get("scale", 100)),
        "selector": names.pod_selector(observed.name),
        "summary": {"tiers": f"{r.tiers_ready}/{r.tiers}", "pods": f"{r.pods_ready}/{r.pods}"},
        "regions": [
            {"name": region.name, "zones": [zone.name for zone in region.zones]}
            for region in state.topology.regions
        ],
        # The schema bounds it; the operator's setting does not.
        "runtime": {"image": state.runtime["image"][:255]},
        "configRevision": str(state.revision),
    }
    if r.not_ready:
        fields["notReady"] = list(r.not_ready)
    return _write_status(observed, observations, fields, without_evidence=(SERVING, EXPORTING))


def _verified(observed: Observed, state: ArchitectureState) -> list[Observation]:
    """Observe whether state and pods are genuine: conditions that do not exist before the first doubt."""
    generation = observed.architecture["metadata"]["generation"]
    conditions: list[Object] = (observed.architecture.get("status") or {}).get("conditions") or []
    present = {condition["type"] for condition in conditions}
    found = []
    if state.rebuilt_generation or STATE_VERIFIED in present:
        found.append(status.state_verified(rebuilt=state.rebuilt_generation == generation))
    if observed.unknown_pods or PODS_VERIFIED in present:
        found.append(status.pods_verified(observed.unknown_pods))
    return found


def _write_status(
    observed: Observed,
    observations: list[Observation],
    fields: Object,
    without_evidence: Sequence[str] = (),
) -> list[Action]:
    """Return the status patch, and events for changed conditions; nothing if the status stays the same.

    Conditions that were not observed stay, except the types in `without_evidence`.
    """
    before: Object = observed.architecture.get("status") or {}
    generation = observed.architecture["metadata"]["generation"]
    conditions: list[Object] = before.get("conditions") or []
    settled = {*without_evidence, *(o.type for o in observations)}
    untouched = [c for c in conditions if c["type"] not in settled]
    after = dict(fields)
    if "chaos" in before:
        after["chaos"] = before["chaos"]  # written by the chaos monkey alone
    after["observedGeneration"] = generation
    after["conditions"] = merge_conditions(conditions, observations, generation, observed.now) + untouched
    patch = changed_fields(before, after)
    return [SetStatus(patch), *events_of(conditions, observations)] if patch else []
