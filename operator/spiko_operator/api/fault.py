"""`Fault`: one injected fault, made and deleted by people; its spec is immutable, its evidence is in its status."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from spiko_operator.api.common import MAX_ARCHITECTURE_NAME, Condition, Model, TierName

KIND = "Fault"
PLURAL = "faults"

Seconds = Annotated[int, Field(ge=0, le=86_400)]
Milliseconds = Annotated[int, Field(ge=0)]


class Kill(Model):
    """End one pod: of a tier, drawn by the seed, or a named one."""

    tier: Annotated[TierName | None, Field(description="one ready pod of this tier; exactly one of tier and pod")] = (
        None
    )
    pod: Annotated[str | None, Field(min_length=1, max_length=253, description="this pod")] = None
    method: Annotated[
        Literal["Evict", "Delete"], Field(description="Evict respects disruption budgets, Delete does not")
    ] = "Evict"
    grace_period_seconds: Annotated[
        Seconds | None, Field(description="0 ends the process at once; the pod's own if left out; Delete only")
    ] = None


class FaultSpec(Model):
    """The wish."""

    architecture: Annotated[str, Field(min_length=1, max_length=MAX_ARCHITECTURE_NAME)]
    seed: Annotated[int, Field(ge=0, le=2**31 - 1, description="the same seed and pods give the same victim")] = 0
    active_deadline_seconds: Annotated[
        int, Field(ge=1, le=3600, description="a refused eviction is tried again for so long")
    ] = 30
    kill: Kill


class Victim(Model):
    """One pod: written down before it is touched, then what came of it. Durations are from the act, in milliseconds."""

    pod: Annotated[str, Field(max_length=253)]
    uid: Annotated[str, Field(max_length=64)]
    tier: Annotated[str, Field(max_length=38)]
    version: Annotated[str, Field(max_length=17)]
    place: Annotated[str, Field(max_length=128, description="region and zone")]
    replica_set: Annotated[str | None, Field(max_length=253)] = None
    state: Literal["Planned", "Killed", "Refused", "Gone"]
    killed_at: Annotated[str | None, Field(max_length=32)] = None
    callers: Annotated[Milliseconds | None, Field(description="callers that knew it")] = None
    noticed_milliseconds: Annotated[
        Milliseconds | None, Field(description="until the last caller acknowledged a table without it")
    ] = None
    replaced_milliseconds: Annotated[
        Milliseconds | None, Field(description="until the next pod of its ReplicaSet was Ready")
    ] = None
    replaced_by: Annotated[str | None, Field(max_length=253)] = None
    requests_hurt: Annotated[Milliseconds | None, Field(description="calls to it that failed")] = None


class FaultStatus(Model):
    """What is."""

    observed_generation: Annotated[int | None, Field(ge=0)] = None
    summary: Annotated[str | None, Field(max_length=256)] = None
    victims: Annotated[list[Victim] | None, Field(max_length=32)] = None
    conditions: Annotated[list[Condition] | None, Field(max_length=16)] = None
