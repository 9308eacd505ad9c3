"""Pure: one round for one Architecture: what was seen -> what to do, in order. START HERE to understand the operator.

The order matters. First it is settled what is in force: the spec if it can be carried out, else the last accepted one from the memory, else
nothing. Then the memory is written, before anything depends on it. Then objects are applied (those that do not hold what is wanted), what
is no longer wanted is deleted, and the status says what is. A round that is cut off anywhere is simply begun again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from spiko_nanoservice.contract import Configuration, Revision, encode
from spiko_operator.api.architecture import KIND, ArchitectureSpec
from spiko_operator.api.common import API_VERSION
from spiko_operator.errors import PlanError
from spiko_operator.plan import names, status
from spiko_operator.plan.actions import Action, Again, Apply, CreateState, Delete, ReplaceState, SetStatus
from spiko_operator.plan.configuration import build_configuration
from spiko_operator.plan.drift import covers
from spiko_operator.plan.services import Release, all_releases
from spiko_operator.plan.state import Memory, config_map, digest, from_data
from spiko_operator.plan.timestamps import epoch_s
from spiko_operator.plan.topology import Topology, choose, grow, wanted_regions
from spiko_operator.plan.validation.checks import check_spec
from spiko_operator.plan.validation.findings import Finding, Severity
from spiko_operator.plan.workloads import Rendering, build_all, owner_reference

Object = dict[str, Any]
Key = tuple[str, str]  # kind, name
COLLECTION_S = 0.25
COLLECTOR_LATE_S = 10


@dataclass(frozen=True)
class Seen:
    """Everything that a round depends on.

    `objects` are those labelled with the architecture's name; `foreign` are others that hold a name that is wanted. `living` are the UIDs of
    all Architectures that exist. `normalised` has, for objects that nobody touched since our last apply, the digest of what was applied: what differs
    then is only the API server's spelling. `labelled` are the nodes' regions and zones; `refused` is what the API server did not take just now.
    """

    architecture: Object
    objects: Mapping[Key, Object]
    foreign: Mapping[Key, Object]
    living: frozenset[str]
    labelled: Mapping[str, list[str]]
    heard: tuple[status.Acknowledged, ...]
    image: str
    now: str
    normalised: Mapping[Key, str] = field(default_factory=dict)
    refused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Round:
    """What to do, the configuration for the eurekas, and the names to look up before the first apply."""

    actions: list[Action]
    configuration: Configuration | None = None
    unknown: tuple[Key, ...] = ()


@dataclass
class _Draft:
    """A round in the making."""

    faults: list[tuple[str, str]] = field(default_factory=list)


def plan(seen: Seen) -> Round:
    """Plan one round; repeating it with what it leads to ends in a round without actions."""
    metadata = seen.architecture["metadata"]
    if metadata.get("deletionTimestamp"):
        return Round([])  # the collector takes what we own
    draft = _Draft()
    memory, lost = _read_memory(seen)
    memory = _settle(seen, memory, lost, draft)
    spec = _parse(memory.accepted) if memory is not None else None
    if memory is None or spec is None:  # nothing was accepted, or by a release that took more than this one
        return Round(_status_actions(seen, draft, None, None, ()))
    rendering = _rendering(seen, memory)
    releases = all_releases(spec, memory.topology)
    wanted = build_all(rendering, [service.name for service in spec.services], releases)
    blocked = _blocked(seen, wanted, draft)
    if blocked is not None:
        waiting = [*_delete_forgotten(seen), Again(blocked)] if blocked else []
        return Round([*_status_actions(seen, draft, None, None, ()), *waiting])
    deployments = [body for body in wanted if body["kind"] == "Deployment"]
    applies = _apply(seen, wanted)
    changing = frozenset(action.body["metadata"]["name"] for action in applies if action.body["kind"] == "Deployment")
    ready = status.readiness(deployments, seen.objects, changing)
    memory = replace(memory, started=memory.started or _is_started(seen, memory, ready))
    memory, configuration = _configure(seen, spec, memory)
    changes = [*_write_memory(seen, memory), *applies, *_delete(seen, wanted), *_delete_forgotten(seen)]
    after = _status_actions(seen, draft, memory, ready, releases)
    return Round([*changes, *after], configuration, _unknown(seen, wanted))


# -------------------------------------------------------------------- what is in force


def _parse(raw: Any) -> ArchitectureSpec | None:
    try:
        return ArchitectureSpec.model_validate(raw, strict=False)
    except ValidationError:
        return None


def _read_memory(seen: Seen) -> tuple[Memory | None, bool]:
    """The memory, and whether there must have been one that is lost."""
    name = seen.architecture["metadata"]["name"]
    found = seen.objects.get(("ConfigMap", names.state_name(name)))
    if found is not None and _owned(found, seen):
        try:
            return from_data(found.get("data", {})), False
        except PlanError:
            return None, True
    return None, _runs(seen)


def _runs(seen: Seen) -> bool:
    """Whether Deployments of an earlier round are there."""
    return any(kind == "Deployment" and _owned(body, seen) for (kind, _), body in seen.objects.items())


def _settle(seen: Seen, memory: Memory | None, lost: bool, draft: _Draft) -> Memory | None:
    """Take the spec if it can be carried out; else say why not and stay with what was accepted before."""
    name, raw = seen.architecture["metadata"]["name"], seen.architecture.get("spec", {})
    spec = _parse(raw)
    if spec is None:
        draft.faults.append(("Invalid", "the spec does not follow the resource's schema; `spiko lint` says where"))
        return memory
    errors = [finding for finding in check_spec(name, spec) if finding.severity is Severity.ERROR]
    draft.faults += [(finding.reason, _say(finding)) for finding in errors]
    topology = _topology(seen, memory, spec, lost)
    identities = {f"{r.tier}/{r.version}": r.identity.hash() for r in all_releases(spec, topology)}
    known = memory.identities if memory else {}
    draft.faults += [
        (
            "VersionConflict",
            f"{version}: ran before with another package, image or behavior; a version is immutable: give the new content a new number",
        )
        for version, identity in identities.items()
        if known.get(version, identity) != identity
    ]
    if draft.faults:
        return memory
    if memory is None:
        # what the eurekas hold has a number that was lost as well: the time is higher than any count
        counter = epoch_s(seen.now) if lost else 0
        return Memory(
            topology,
            raw,
            _runtime(seen, spec),
            identities=identities,
            started=lost,
            configuration_counter=counter,
            chosen_anew=lost and _topology_copy(seen) is None,
        )
    if raw == memory.accepted and topology == memory.topology:
        return memory
    runtime, revision = memory.runtime, memory.runtime_revision
    if raw.get("runtime") != memory.accepted.get("runtime"):
        runtime, revision = _runtime(seen, spec), revision + 1
    return replace(
        memory,
        topology=topology,
        accepted=raw,
        runtime=runtime,
        runtime_revision=revision,
        identities=known | identities,
    )


def _topology(seen: Seen, memory: Memory | None, spec: ArchitectureSpec, lost: bool) -> Topology:
    wanted = wanted_regions(spec.services)
    if memory is not None:
        return grow(memory.topology, spec.topology, seen.labelled, wanted)
    if lost and (copy := _topology_copy(seen)) is not None:
        return grow(copy, spec.topology, seen.labelled, wanted)
    return choose(spec.topology, seen.labelled, wanted)


def _topology_copy(seen: Seen) -> Topology | None:
    for (kind, _), body in seen.objects.items():
        if kind == "Deployment" and _owned(body, seen):
            try:
                return Topology.from_json(json.loads(body["metadata"]["annotations"][names.TOPOLOGY_ANNOTATION]))
            except (KeyError, ValueError, TypeError):
                continue
    return None


def _runtime(seen: Seen, spec: ArchitectureSpec) -> Object:
    written = spec.runtime.model_dump(mode="json", by_alias=True, exclude_none=True) if spec.runtime else {}
    return {"image": seen.image} | written


def _say(finding: Finding) -> str:
    return f"{finding.path}: {finding.message}" + (f"; {finding.hint}" if finding.hint else "")


# -------------------------------------------------------------------- names and owners


def _rendering(seen: Seen, memory: Memory) -> Rendering:
    metadata = seen.architecture["metadata"]
    owner = owner_reference(API_VERSION, KIND, metadata["name"], metadata["uid"])
    return Rendering(metadata["name"], metadata["namespace"], owner, memory.topology, memory.runtime, seen.image)


def _controller(body: Object) -> Object | None:
    owners = body["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), None)


def _owned(body: Object, seen: Seen) -> bool:
    owner = _controller(body)
    return owner is not None and owner["uid"] == seen.architecture["metadata"]["uid"]


def _blocked(seen: Seen, wanted: list[Object], draft: _Draft) -> float | None:
    """None if all names are free or ours; else seconds to wait for the collector, 0 if somebody living holds one."""
    state = ("ConfigMap", names.state_name(seen.architecture["metadata"]["name"]))
    waiting = False
    for key in (state, *((body["kind"], body["metadata"]["name"]) for body in wanted)):
        body = seen.objects.get(key) or seen.foreign.get(key)
        if body is None or _owned(body, seen):
            continue
        owner = _controller(body)
        if owner is not None and owner["kind"] == KIND and owner["uid"] not in seen.living:
            waiting = True
            continue
        holder = f"{owner['kind']} {owner['name']}" if owner else "somebody else"
        draft.faults.append(
            ("NameTaken", f"{key[0]} {key[1]} belongs to {holder}; rename the architecture or the tier, or remove it")
        )
    if draft.faults and any(reason == "NameTaken" for reason, _ in draft.faults):
        return 0.0
    return COLLECTION_S if waiting else None


def _unknown(seen: Seen, wanted: list[Object]) -> tuple[Key, ...]:
    """Names that are wanted and that nobody has looked up yet."""
    keys = ((body["kind"], body["metadata"]["name"]) for body in wanted)
    return tuple(key for key in keys if key not in seen.objects)


# -------------------------------------------------------------------- configuration and memory


def _configure(seen: Seen, spec: ArchitectureSpec, memory: Memory) -> tuple[Memory, Configuration]:
    """The configuration with its revision: the counter moves when the content does, and is remembered before it is pushed."""
    name = seen.architecture["metadata"]["name"]
    draft = build_configuration(name, spec, memory.topology, Revision(0, 0), memory.started)
    content = digest(encode(draft))
    if content != memory.configuration_hash:
        memory = replace(memory, configuration_hash=content, configuration_counter=memory.configuration_counter + 1)
    return memory, replace(draft, revision=Revision(0, memory.configuration_counter))


def _is_started(seen: Seen, memory: Memory, ready: status.Readiness) -> bool:
    """Every pod is ready, knows its configuration and its neighbours: from now on sources send."""
    revision = str(Revision(0, memory.configuration_counter))
    programmed = status.programmed(revision, len(memory.topology.zones), ready.pods_ready, seen.heard)
    return ready.observation().status == programmed.status == "True"


def _write_memory(seen: Seen, memory: Memory) -> list[Action]:
    metadata = seen.architecture["metadata"]
    owner = owner_reference(API_VERSION, KIND, metadata["name"], metadata["uid"])
    body = config_map(metadata["name"], metadata["namespace"], owner, memory)
    found = seen.objects.get(("ConfigMap", body["metadata"]["name"]))
    if found is None:
        return [CreateState(body)]
    if found.get("data") == body["data"] and covers(body["metadata"], found["metadata"]):
        return []
    body["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"]
    return [ReplaceState(body)]


# -------------------------------------------------------------------- objects


def _apply(seen: Seen, wanted: list[Object]) -> list[Apply]:
    """Objects that do not hold what is wanted; eurekas change their template one zone at a time."""
    found: list[Apply] = []
    eurekas = [body for body in wanted if _is_eureka(body)]
    settled = all(_is_available(seen.objects.get((b["kind"], b["metadata"]["name"]))) for b in eurekas)
    for body in wanted:
        key = (body["kind"], body["metadata"]["name"])
        existing = seen.objects.get(key)
        if existing is not None and _holds(seen, key, body, existing):
            continue
        if (
            existing is not None
            and _is_eureka(body)
            and not covers(body["spec"]["template"], existing["spec"]["template"])
        ):
            if not settled and _is_available(existing):
                continue  # another one is on its way; but one that does not come up may get what mends it
            settled = False
        found.append(Apply(body))
    return found


def _holds(seen: Seen, key: Key, body: Object, existing: Object) -> bool:
    if covers(body, existing):
        return True
    return seen.normalised.get(key) == digest(body) and covers(body["metadata"], existing["metadata"])


def _is_eureka(body: Object) -> bool:
    return bool(body["kind"] == "Deployment" and body["metadata"]["labels"][names.TIER] == names.EUREKA)


def _is_available(body: Object | None) -> bool:
    if body is None:
        return True
    state = body.get("status", {})
    fresh = state.get("observedGeneration", 0) >= body["metadata"].get("generation", 1)
    return bool(fresh and state.get("updatedReplicas", 0) >= 1 and state.get("availableReplicas", 0) >= 1)


_OURS = frozenset({"Deployment", "Service", "PodDisruptionBudget"})


def _delete(seen: Seen, wanted: list[Object]) -> list[Action]:
    """What we own and no longer want; the memory stays."""
    keep = {(body["kind"], body["metadata"]["name"]) for body in wanted}
    namespace = seen.architecture["metadata"]["namespace"]
    return [
        Delete(kind, namespace, name, body["metadata"]["uid"])
        for (kind, name), body in seen.objects.items()
        if kind in _OURS
        and (kind, name) not in keep
        and _owned(body, seen)
        and not body["metadata"].get("deletionTimestamp")
    ]


def _delete_forgotten(seen: Seen) -> list[Action]:
    """What a namesake that is gone has left, if the collector does not come for it.

    A collector whose watch breaks just when an Architecture is deleted and one of the same name created takes the two for a change of one,
    and keeps what the first one owned until it is started again.
    """
    metadata = seen.architecture["metadata"]
    if epoch_s(seen.now) - epoch_s(metadata.get("creationTimestamp", seen.now)) < COLLECTOR_LATE_S:
        return []
    return [
        Delete(kind, metadata["namespace"], name, body["metadata"]["uid"])
        for (kind, name), body in seen.objects.items()
        if kind in _OURS | {"ConfigMap"} and _is_forgotten(body, seen) and not body["metadata"].get("deletionTimestamp")
    ]


def _is_forgotten(body: Object, seen: Seen) -> bool:
    """Whether an Architecture of this name owned it: of one name only one lives, and that is another."""
    owner, metadata = _controller(body), seen.architecture["metadata"]
    if owner is None or owner["kind"] != KIND or owner["name"] != metadata["name"]:
        return False
    return owner["uid"] != metadata["uid"] and owner["uid"] not in seen.living


# -------------------------------------------------------------------- status


def _status_actions(
    seen: Seen,
    draft: _Draft,
    memory: Memory | None,
    ready: status.Readiness | None,
    releases: list[Release] | tuple[()],
) -> list[Action]:
    metadata = seen.architecture["metadata"]
    before: Object = seen.architecture.get("status") or {}
    observed = [status.accepted(draft.faults, ran=memory is not None or _runs(seen))]
    after: Object = {
        key: before[key] for key in ("scale", "summary", "regions", "configRevision", "notReady") if key in before
    }
    if memory is not None and ready is not None:
        revision = str(Revision(0, memory.configuration_counter))
        eurekas = len(memory.topology.zones)
        observed += [
            status.applied(seen.refused),
            status.programmed(revision, eurekas, ready.pods_ready, seen.heard),
            ready.observation(),
            status.zones_labelled(memory.topology, seen.labelled, memory.chosen_anew),
        ]
        after = {
            "scale": int(memory.accepted.get("scale", 100)),
            "summary": {"tiers": f"{ready.tiers_ready}/{ready.tiers}", "pods": f"{ready.pods_ready}/{ready.pods}"},
            "regions": [{"name": r.name, "zones": [z.name for z in r.zones]} for r in memory.topology.regions],
            "configRevision": revision,
        }
        if ready.not_ready:
            after["notReady"] = list(ready.not_ready)
    if "chaos" in before:
        after["chaos"] = before["chaos"]  # the monkey's own
    conditions = before.get("conditions") or []
    untouched = [c for c in conditions if c["type"] not in {o.type for o in observed}]
    after["observedGeneration"] = metadata["generation"]
    after["conditions"] = status.merge_conditions(conditions, observed, metadata["generation"], seen.now) + untouched
    patch = status.changed_fields(before, after)
    return [SetStatus(patch), *status.events_of(conditions, observed)] if patch else []
