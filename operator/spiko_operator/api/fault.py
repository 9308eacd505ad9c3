"""`Fault`: one injected fault, made and deleted by people; its spec is immutable, its evidence is in its status."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from spiko_operator.api.common import MAX_ARCHITECTURE_NAME, Condition, Model, PlaceName, TierName, VersionName

KIND = "Fault"
PLURAL = "faults"
# A victim takes about 0.7 kB of status, and the status is written after every act: 32 victims are 22 kB in 34 writes, half a second.
# A hundred would be seven times that, on an object that every `kubectl get faults` reads whole.
MOST_VICTIMS = 32

Seconds = Annotated[int, Field(ge=0, le=86_400)]
Milliseconds = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
Method = Literal["Evict", "Delete", "Crash"]
State = Literal["Planned", "Killed", "Refused", "Gone", "Unreachable", "Expired"]


class Kill(Model):
    """End pods: some of a tier, drawn by the seed, or a named one."""

    tier: Annotated[TierName | None, Field(description="ready pods of this tier; exactly one of tier and pod")] = None
    pod: Annotated[str | None, Field(min_length=1, max_length=253, description="this pod")] = None
    version: Annotated[VersionName | None, Field(description="of the tier, this version only")] = None
    region: Annotated[PlaceName | None, Field(description="of the tier, this region only")] = None
    zone: Annotated[PlaceName | None, Field(description="of the tier, this zone only")] = None
    count: Annotated[
        int | None,
        Field(
            ge=1,
            le=MOST_VICTIMS,
            description="how many; 1 if percent is left out as well; where fewer are ready, all of them",
        ),
    ] = None
    percent: Annotated[
        int | None,
        Field(ge=1, le=100, description="of the ready pods in scope, rounded down, but at least one; not with count"),
    ] = None
    method: Annotated[
        Method,
        Field(
            description="Evict respects disruption budgets; Delete does not; "
            "Crash ends the process at once, behind the API's back: the kubelet starts it again in the same pod"
        ),
    ] = "Evict"
    grace_period_seconds: Annotated[
        Seconds | None, Field(description="0 ends the process at once; the pod's own if left out; Delete only")
    ] = None


class FaultSpec(Model):
    """Desired state: exactly one kind of fault. Immutable."""

    architecture: Annotated[
        str, Field(min_length=1, max_length=MAX_ARCHITECTURE_NAME, description="whose pods; in the Fault's namespace")
    ]
    mode: Annotated[
        Literal["Enforce", "DryRun"],
        Field(description="DryRun records the victims and kills none of them"),
    ] = "Enforce"
    seed: Annotated[
        int | None,
        Field(
            ge=0,
            le=2**31 - 1,
            description="the same seed and pods give the same victims; from the Fault's UID if left out",
        ),
    ] = None
    starting_deadline_seconds: Annotated[
        int,
        Field(
            ge=1,
            le=3600,
            description="counts from the first moment at which the Architecture is Ready; until it ends, missing victims are "
            "looked for and refused evictions are retried; no pod is killed after it",
        ),
    ] = 30
    kill: Annotated[Kill | None, Field(description="kill pods; exactly one kind of fault is given")] = None


KINDS = ("kill",)  # fields of FaultSpec of which exactly one is given


class Victim(Model):
    """One pod: written down before it is touched, then what came of it. Durations are from the act, in milliseconds."""

    pod: Annotated[str, Field(max_length=253, description="its name")]
    uid: Annotated[str, Field(max_length=64, description="a pod of the same name with another UID is another pod")]
    tier: Annotated[str, Field(max_length=38, description="its tier")]
    version: Annotated[str, Field(max_length=17, description="its version")]
    place: Annotated[str, Field(max_length=128, description="region and zone")]
    replica_set: Annotated[str | None, Field(max_length=253, description="its owner, whose next pod replaces it")] = (
        None
    )
    restarts: Annotated[int | None, Field(ge=0, description="of its container, before the act")] = None
    process: Annotated[int | None, Field(ge=0, description="its process, by its start, as its eureka knows it")] = None
    state: Annotated[
        State,
        Field(
            description="Planned: not touched yet; Refused: by a budget; Gone: before it was touched; Unreachable: by a Crash; "
            "Expired: the deadline passed first"
        ),
    ]
    message: Annotated[str | None, Field(max_length=256, description="why it was not killed")] = None
    refused_by: Annotated[
        str | None, Field(max_length=253, description="the budget that refused its eviction, or in a DryRun would")
    ] = None
    killed_at: Annotated[str | None, Field(max_length=32, description="when the act was carried out")] = None
    callers: Annotated[Count | None, Field(description="callers that knew it")] = None
    noticed_milliseconds: Annotated[
        Milliseconds | None, Field(description="until the last caller acknowledged a table without it")
    ] = None
    replaced_milliseconds: Annotated[
        Milliseconds | None,
        Field(description="until the next pod of its ReplicaSet was Ready; after a Crash, the same pod again"),
    ] = None
    replaced_by: Annotated[str | None, Field(max_length=253, description="the pod that is Ready in its stead")] = None
    requests_hurt: Annotated[Count | None, Field(description="calls to it that failed")] = None


class FaultStatus(Model):
    """Observed state."""

    observed_generation: Annotated[int | None, Field(ge=0, description="of the spec that the status is about")] = None
    started_at: Annotated[
        str | None,
        Field(
            max_length=32, description="when the Architecture was first Ready; startingDeadlineSeconds counts from it"
        ),
    ] = None
    summary: Annotated[str | None, Field(max_length=256, description="one line: what came of it")] = None
    victims: Annotated[
        list[Victim] | None, Field(max_length=MOST_VICTIMS, description="all are here before the first is touched")
    ] = None
    conditions: Annotated[list[Condition] | None, Field(max_length=16, description="Accepted, Injected, Ended")] = None
