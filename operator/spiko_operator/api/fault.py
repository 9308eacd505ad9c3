"""`Fault`: one injected fault.

Users create and delete it; its spec is immutable, and its status has the evidence.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from spiko_operator.api.common import (
    MAX_ARCHITECTURE_NAME,
    Condition,
    Count,
    Model,
    PlaceName,
    ReplaceablePod,
    TierName,
    VersionName,
)

KIND = "Fault"
PLURAL = "faults"
# A victim takes about 0.7 kB of status, and the status is written after every act: 32 victims are 22 kB in 34
# writes, half a second. A hundred victims would take seven times as long, and `kubectl get faults` reads the
# whole status.
MOST_VICTIMS = 32

Seconds = Annotated[int, Field(ge=0, le=86_400)]
Milliseconds = Annotated[int, Field(ge=0)]
Method = Literal["Evict", "Delete", "Crash"]
State = Literal["Planned", "Killed", "Refused", "Gone", "Unreachable", "Expired"]


class Kill(Model):
    """Kills pods: pods of a tier, drawn by the seed, or a named pod."""

    tier: Annotated[
        TierName | None, Field(description="tier whose ready pods are killed; give either tier or pod")
    ] = None
    pod: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=253,
            description="name of the pod that is killed; give either tier or pod",
        ),
    ] = None
    version: Annotated[VersionName | None, Field(description="only pods of this version of the tier")] = None
    region: Annotated[PlaceName | None, Field(description="only pods of the tier in this region")] = None
    zone: Annotated[PlaceName | None, Field(description="only pods of the tier in this zone")] = None
    count: Annotated[
        int | None,
        Field(
            ge=1,
            le=MOST_VICTIMS,
            description="number of pods, 1 if count and percent are left out; if fewer pods are ready, all "
            "of them",
        ),
    ] = None
    percent: Annotated[
        int | None,
        Field(
            ge=1,
            le=100,
            description="percentage of the ready pods in scope, rounded down, at least 1 pod; excludes count",
        ),
    ] = None
    method: Annotated[
        Method,
        Field(
            description="Evict respects disruption budgets; Delete does not, and needs an operator with "
            "SPIKO_ALLOW_DELETE=true; Crash exits the process without an API call, and the kubelet restarts "
            "it in the same pod"
        ),
    ] = "Evict"
    grace_period_seconds: Annotated[
        Seconds | None,
        Field(
            description="grace period for method Delete; 0 kills the process at once; the pod's own if left "
            "out"
        ),
    ] = None


class FaultSpec(Model):
    """Desired state: exactly one kind of fault. Immutable."""

    architecture: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_ARCHITECTURE_NAME,
            description="name of the Architecture whose pods are targeted, in the Fault's namespace",
        ),
    ]
    mode: Annotated[
        Literal["Enforce", "DryRun"],
        Field(description="Enforce kills the victims; DryRun records the victims and kills none of them"),
    ] = "Enforce"
    seed: Annotated[
        int | None,
        Field(
            ge=0,
            le=2**31 - 1,
            description="seed of the selection: the same seed and pods give the same victims; derived from "
            "the Fault's UID if left out",
        ),
    ] = None
    starting_deadline_seconds: Annotated[
        int,
        Field(
            ge=1,
            le=3600,
            description="time to select victims and to retry refused evictions, counted from when the "
            "Architecture is first Ready; no pod is killed after it",
        ),
    ] = 30
    kill: Annotated[Kill | None, Field(description="kills pods. A Fault has exactly one kind of fault")] = (
        None
    )


KINDS = ("kill",)  # a FaultSpec has exactly one of these fields


class Victim(ReplaceablePod):
    """A selected pod, recorded before it is killed, and the evidence of its kill.

    Durations count from the kill.
    """

    restarts: Annotated[Count | None, Field(description="restarts of its container before the kill")] = None
    process: Annotated[
        Count | None, Field(description="start time of its process, as its eureka reports it")
    ] = None
    state: Annotated[
        State,
        Field(
            description="Planned: not killed yet; Killed; Refused: a disruption budget refused the "
            "eviction; Gone: the pod was gone before it could be killed; Unreachable: the Crash "
            "could not be delivered; Expired: the deadline passed first"
        ),
    ]
    message: Annotated[str | None, Field(max_length=256, description="why it was not killed")] = None
    refused_by: Annotated[
        str | None,
        Field(
            max_length=253,
            description="disruption budget that refused its eviction, or would refuse it in a DryRun",
        ),
    ] = None
    killed_at: Annotated[str | None, Field(max_length=32, description="time of the kill")] = None
    callers: Annotated[Count | None, Field(description="number of callers that routed to the pod")] = None
    noticed_milliseconds: Annotated[
        Milliseconds | None,
        Field(description="time until the last caller acknowledged a routing table without it"),
    ] = None
    replaced_milliseconds: Annotated[
        Milliseconds | None,
        Field(description="time until the next pod of its ReplicaSet was Ready; after a Crash, the same pod"),
    ] = None
    replaced_by: Annotated[
        str | None, Field(max_length=253, description="name of the pod that replaced it")
    ] = None
    failed_requests: Annotated[Count | None, Field(description="number of calls to the pod that failed")] = (
        None
    )


class FaultStatus(Model):
    """Observed state."""

    observed_generation: Annotated[
        int | None, Field(ge=0, description="generation of the spec that the status describes")
    ] = None
    started_at: Annotated[
        str | None,
        Field(
            max_length=32,
            description="when the Architecture was first Ready; startingDeadlineSeconds counts from this "
            "time",
        ),
    ] = None
    summary: Annotated[str | None, Field(max_length=256, description="outcome in one line")] = None
    victims: Annotated[
        list[Victim] | None,
        Field(
            max_length=MOST_VICTIMS,
            description="selected pods in draw order, recorded before the first one is killed",
        ),
    ] = None
    conditions: Annotated[
        list[Condition] | None, Field(max_length=16, description="Accepted, Injected and Ended")
    ] = None
