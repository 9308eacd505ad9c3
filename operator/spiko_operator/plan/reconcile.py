"""Pure: one reconcile pass for one Architecture: observed state in, ordered actions out.

START HERE to understand the operator.

The order matters. First `acceptance.py` settles which spec is in effect. Then the state is written, before
anything depends on it. Then objects that differ are applied, objects that are not desired are deleted, and
the status reports the observed state. A pass that is interrupted anywhere is simply repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from spiko_nanoservice.contract import Configuration, Revision
from spiko_operator.api.architecture import ArchitectureSpec
from spiko_operator.plan import names, status
from spiko_operator.plan.acceptance import accept, forget_reviews, has_deployments, read_state
from spiko_operator.plan.actions import Action, CreateState, ReplaceState, Requeue, SetStatus
from spiko_operator.plan.conditions import Observation, changed_fields, events_of, merge_conditions
from spiko_operator.plan.desired import build_desired, draft_configuration, forget_desired
from spiko_operator.plan.diff import applies, deletes
from spiko_operator.plan.drift import has_metadata
from spiko_operator.plan.objects import Key, Object, is_deleting, owner_reference
from spiko_operator.plan.observed import ObjectKey, Observed
from spiko_operator.plan.ownership import check_names, delete_leftovers, unknown_names
from spiko_operator.plan.state import ArchitectureState, config_map

GARBAGE_COLLECTION_RETRY_S = 0.25
# Fields of the status that stay as they are while no spec is in effect, or names are taken.
_KEPT_FIELDS = ("scale", "summary", "regions", "configRevision", "notReady")


@dataclass(frozen=True)
class ReconcilePlan:
    """What to do, the configuration for the eurekas, and the names to look up before the first apply."""

    actions: list[Action]
    configuration: Configuration | None = None
    unknown: tuple[ObjectKey, ...] = ()


def plan(observed: Observed) -> ReconcilePlan:
    """Plan one reconcile pass. Idempotent: planning again after applying the result yields no actions."""
    if is_deleting(observed.architecture):
        return ReconcilePlan([])  # garbage collection deletes what the Architecture owns
    acceptance = accept(observed)
    state = acceptance.state
    built = build_desired(observed, state) if state is not None else None
    # Nothing was accepted yet, or a newer release accepted a spec that the schema of this one rejects.
    if state is None or built is None:
        return ReconcilePlan(_status_without_spec(observed, acceptance.rejections))
    desired = built.wanted.objects
    name_check = check_names(observed, desired)
    if not name_check.is_free:
        rejections = (*acceptance.rejections, *name_check.taken)
        requeue: list[Action] = (
            [] if name_check.taken else [*delete_leftovers(observed), Requeue(GARBAGE_COLLECTION_RETRY_S)]
        )
        return ReconcilePlan([*_status_without_spec(observed, rejections), *requeue])
    changes = applies(observed, built.wanted)
    changing = frozenset(
        a.body["metadata"]["name"] for a in changes if a.body["kind"] == "Deployment" and a.changes_spec
    )
    deployments = [body for body in desired if body["kind"] == "Deployment"]
    readiness = status.readiness(deployments, observed.objects, changing)
    state = replace(state, started=state.started or _is_started(observed, state, readiness))
    state, configuration = _configure(observed, built.spec, state)
    writes = [
        *_write_state(observed, state),
        *changes,
        *deletes(observed, desired),
        *delete_leftovers(observed),
    ]
    after = _status(observed, acceptance.rejections, state, readiness)
    return ReconcilePlan([*writes, *after], configuration, unknown_names(observed, desired))


def forget(key: Key) -> None:
    """Drop what is kept between the passes of an Architecture that was deleted."""
    forget_reviews(key)
    forget_desired(key)


# -------------------------------------------------------------------- configuration and state


def _configure(
    observed: Observed, spec: ArchitectureSpec, state: ArchitectureState
) -> tuple[ArchitectureState, Configuration]:
    """Return the state and the configuration with its revision.

    The counter grows when the content changes, and is recorded before the configuration is sent.
    """
    draft, content = draft_configuration(observed, spec, state)
    if content != state.configuration_hash:
        state = replace(
            state, configuration_hash=content, configuration_counter=state.configuration_counter + 1
        )
    return state, replace(draft, revision=Revision(0, state.configuration_counter))


def _is_started(observed: Observed, state: ArchitectureState, readiness: status.Readiness) -> bool:
    """Whether every pod is Ready and acts on the configuration: from then on sources send requests."""
    revision = str(Revision(0, state.configuration_counter))
    programmed = status.programmed(
        revision, len(state.topology.zones), readiness.pods_ready, observed.reports
    )
    return readiness.observation().status == programmed.status == "True"


def _write_state(observed: Observed, state: ArchitectureState) -> list[Action]:
    found = observed.objects.get(("ConfigMap", names.state_name(observed.name)))
    # Packing the accepted spec takes long, so that an unchanged state is not packed.
    owner = owner_reference(observed.architecture)
    metadata = {"labels": {names.ARCHITECTURE: observed.name}, "ownerReferences": [owner]}
    if found is not None and read_state(observed)[0] == state and has_metadata(metadata, found["metadata"]):
        return []
    body = config_map(observed.name, observed.namespace, owner, state)
    if found is None:
        return [CreateState(body)]
    body["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"]
    return [ReplaceState(body)]


# -------------------------------------------------------------------- status


def _status_without_spec(observed: Observed, rejections: Sequence[status.Rejection]) -> list[Action]:
    before: Object = observed.architecture.get("status") or {}
    accepted = status.accepted(rejections, running=has_deployments(observed))
    return _write_status(observed, [accepted], {key: before[key] for key in _KEPT_FIELDS if key in before})


def _status(
    observed: Observed,
    rejections: Sequence[status.Rejection],
    state: ArchitectureState,
    readiness: status.Readiness,
) -> list[Action]:
    revision = str(Revision(0, state.configuration_counter))
    observations = [
        status.accepted(rejections, running=True),
        status.applied(observed.refused),
        status.programmed(revision, len(state.topology.zones), readiness.pods_ready, observed.reports),
        readiness.observation(),
        status.zones_labeled(state.topology, observed.node_zones, state.topology_reassigned),
    ]
    r = readiness
    fields: Object = {
        "scale": int(state.accepted.get("scale", 100)),
        "summary": {"tiers": f"{r.tiers_ready}/{r.tiers}", "pods": f"{r.pods_ready}/{r.pods}"},
        "regions": [
            {"name": region.name, "zones": [zone.name for zone in region.zones]}
            for region in state.topology.regions
        ],
        "configRevision": revision,
    }
    if r.not_ready:
        fields["notReady"] = list(r.not_ready)
    return _write_status(observed, observations, fields)


def _write_status(observed: Observed, observations: list[Observation], fields: Object) -> list[Action]:
    """Return the status patch, and events for changed conditions; nothing if the status stays the same."""
    before: Object = observed.architecture.get("status") or {}
    generation = observed.architecture["metadata"]["generation"]
    conditions: list[Object] = before.get("conditions") or []
    untouched = [c for c in conditions if c["type"] not in {o.type for o in observations}]
    after = dict(fields)
    if "chaos" in before:
        after["chaos"] = before["chaos"]  # written by the chaos monkey alone
    after["observedGeneration"] = generation
    after["conditions"] = merge_conditions(conditions, observations, generation, observed.now) + untouched
    patch = changed_fields(before, after)
    return [SetStatus(patch), *events_of(conditions, observations)] if patch else []
