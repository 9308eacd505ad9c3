"""Status of an `Architecture`: what the operator observes, and the schedule of the chaos monkey."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from spiko_operator.api.architecture import RegionTopology
from spiko_operator.api.common import Condition, Count, Model, PodRecord, ReplaceablePod


class NotReady(Model):
    """A Deployment whose pods are not all Ready, or do not all have the current template."""

    tier: Annotated[str, Field(max_length=38, description="tier of the Deployment")]
    version: Annotated[str, Field(max_length=17, description="version of the Deployment; empty for eurekas")]
    place: Annotated[str, Field(max_length=128, description="region and zone of the Deployment")]
    ready: Annotated[int, Field(ge=0, description="number of pods that are Ready")]
    desired: Annotated[int, Field(ge=0, description="number of desired pods, after spec.scale")]
    message: Annotated[
        str | None,
        Field(
            max_length=256,
            description="what is missing: pods, or the rollout of a change; and why, if that is known",
        ),
    ] = None


class Summary(Model):
    """Counts for the printer columns."""

    tiers: Annotated[str, Field(max_length=24, description="ready tiers / all tiers")]
    pods: Annotated[str, Field(max_length=24, description="ready pods / desired pods")]


class RecordedRuntime(Model):
    """What was recorded when spec.runtime was accepted."""

    image: Annotated[str, Field(max_length=255, description="nanoservice image of the pods of tiers")]


class SelectedVictim(ReplaceablePod):
    """The pod that the chaos monkey selected. Recorded before the pod is killed."""


class MonkeyKill(PodRecord):
    """One kill by the chaos monkey.

    Durations count from the kill; left out if the operator restarted meanwhile.
    """

    at: Annotated[str, Field(max_length=32, description="time of the kill")]
    noticed_milliseconds: Annotated[
        Count | None, Field(description="time until the last caller stopped routing to the pod")
    ] = None
    replaced_milliseconds: Annotated[
        Count | None, Field(description="time until the replacement of the pod was Ready")
    ] = None
    failed_requests: Annotated[Count | None, Field(description="number of calls to the pod that failed")] = (
        None
    )


class ChaosStatus(Model):
    """State of the chaos monkey. The next kill is due at `since` plus the interval of draw number `draw`."""

    mode: Annotated[str | None, Field(max_length=16, description="active mode")] = None
    seed: Annotated[int | None, Field(ge=0, description="active seed; a new seed starts again at draw 0")] = (
        None
    )
    draw: Annotated[
        int | None,
        Field(ge=0, description="number of the next draw, counted from when the monkey was switched on"),
    ] = None
    since: Annotated[
        str | None,
        Field(max_length=32, description="time of the last draw, or when the monkey was switched on"),
    ] = None
    next_at: Annotated[str | None, Field(max_length=32, description="earliest time of the next kill")] = None
    waiting: Annotated[
        str | None,
        Field(max_length=256, description="why a kill that is due is blocked, or the monkey is refused"),
    ] = None
    victim: Annotated[
        SelectedVictim | None, Field(description="selected pod whose kill is not counted yet")
    ] = None
    kills: Annotated[int | None, Field(ge=0, description="number of kills so far")] = None
    recent: Annotated[
        list[MonkeyKill] | None, Field(max_length=8, description="last 8 kills, newest first")
    ] = None


class ArchitectureStatus(Model):
    """Observed state. Written when it changes only."""

    observed_generation: Annotated[
        int | None, Field(ge=0, description="generation of the spec that the status describes")
    ] = None
    scale: Annotated[
        int | None, Field(ge=0, description="active percentage of every count, for the scale subresource")
    ] = None
    selector: Annotated[
        str | None,
        Field(
            max_length=256,
            description="label selector of the pods of all tiers, without eurekas, for the scale subresource",
        ),
    ] = None
    summary: Annotated[Summary | None, Field(description="counts for the printer columns")] = None
    regions: Annotated[
        list[RegionTopology] | None, Field(max_length=6, description="active regions and zones")
    ] = None
    config_revision: Annotated[
        str | None, Field(max_length=32, description="revision of the configuration that the eurekas have")
    ] = None
    runtime: Annotated[
        RecordedRuntime | None,
        Field(description="recorded at first acceptance and with each change of spec.runtime"),
    ] = None
    not_ready: Annotated[
        list[NotReady] | None,
        Field(max_length=32, description="Deployments that are not ready, at most 32"),
    ] = None
    chaos: Annotated[ChaosStatus | None, Field(description="state of the chaos monkey")] = None
    conditions: Annotated[
        list[Condition] | None,
        Field(
            max_length=16,
            description="Accepted, Applied, Programmed, Ready, ZonesLabeled, RuntimeOutdated; Serving and "
            "Exporting once there is evidence; StateVerified and PodsVerified once there was a doubt",
        ),
    ] = None
