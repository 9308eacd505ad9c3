"""Pure: the condition Ready of an Architecture, and the counts over its Deployments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from spiko_operator.api.reasons import Reason
from spiko_operator.plan import names
from spiko_operator.plan.conditions import READY, Observation
from spiko_operator.plan.objects import Object, truncate
from spiko_operator.plan.pod_causes import Causes, phrase, replica_failure

MOST_NOT_READY = 32  # entries
MOST_ENTRY = 256  # bytes of the message of an entry
MOST_CAUSES_TEXT = 640  # bytes, which leaves room for the places in a message of 1,024


@dataclass(frozen=True)
class Readiness:
    """Counts over the Deployments of all tiers; eurekas count in `not_ready` and `incomplete` only.

    `incomplete` maps the Deployments that are not complete to their tiers; `causes` has the reasons of all of
    them, each with its number.
    """

    tiers: int
    tiers_ready: int
    pods: int
    pods_ready: int
    not_ready: tuple[Object, ...]
    paused: tuple[str, ...] = ()  # names of Deployments that another client paused
    incomplete: Mapping[str, str] = field(default_factory=dict)
    causes: tuple[str, ...] = ()

    def observation(self) -> Observation:
        """Observe the Ready condition."""
        if not self.not_ready and not self.paused and self.pods_ready == self.pods:
            return Observation(READY, "True", Reason.ALL_TIERS_READY, f"{self.tiers} tiers, {self.pods} pods")
        paused = f"paused Deployments: {', '.join(self.paused[:8])}" if self.paused else ""
        causes = truncate("; ".join(self.causes), MOST_CAUSES_TEXT)
        lacking = ", ".join(
            # The causes are not repeated for each place.
            " ".join(filter(None, (n["tier"], n["place"], f"({n['message'].partition('; ')[0]})")))
            for n in self.not_ready[:8]
        )
        counts = f"{self.tiers_ready} of {self.tiers} tiers are ready"
        text = "; ".join(filter(None, (counts, paused, causes, f"not ready: {lacking}")))
        return Observation(READY, "False", Reason.PODS_MISSING, truncate(text))


def observe_readiness(
    desired: Iterable[Object],
    found: Mapping[tuple[str, str], Object],
    changing: Container[str] = (),
    causes: Causes | None = None,
) -> Readiness:
    """Compare the Deployments with their observed status; an outdated status counts as not ready.

    Args:
        desired: the Deployments.
        found: the observed objects, by kind and name.
        changing: names of Deployments that this pass changes: their status describes what they were before.
        causes: why pods are not Ready, if that was looked up.
    """
    rollouts = [_rollout(body, found, changing, causes or {}) for body in desired]
    tiers: dict[str, bool] = {}  # tier -> whether all its Deployments are complete
    for rollout in rollouts:
        if rollout.tier != names.EUREKA:
            tiers[rollout.tier] = tiers.get(rollout.tier, True) and rollout.complete
    incomplete = [rollout for rollout in rollouts if not rollout.complete]
    return Readiness(
        len(tiers),
        sum(tiers.values()),
        sum(rollout.desired for rollout in rollouts if rollout.tier != names.EUREKA),
        sum(rollout.ready for rollout in rollouts if rollout.tier != names.EUREKA),
        tuple(rollout.entry() for rollout in incomplete[:MOST_NOT_READY]),
        tuple(rollout.name for rollout in rollouts if rollout.paused),
        {rollout.name: rollout.tier for rollout in incomplete},
        _causes(incomplete),
    )


class _Rollout(NamedTuple):
    name: str
    labels: Mapping[str, str]
    desired: int
    ready: int
    message: str  # what is missing; empty if nothing is
    paused: bool
    failure: str  # why no more pods are created
    causes: Mapping[str, int]  # why pods are not Ready

    @property
    def tier(self) -> str:
        """The tier of the Deployment."""
        return self.labels[names.TIER]

    @property
    def complete(self) -> bool:
        """Whether all pods are Ready and have the current template."""
        return not self.message

    def entry(self) -> Object:
        """Return the entry of `status.notReady`."""
        because = ([self.failure] if self.failure else []) + phrase(self.causes)
        return {
            "tier": self.tier,
            "version": self.labels.get(names.VERSION, ""),
            "place": "/".join(self.labels[key] for key in (names.REGION, names.ZONE) if key in self.labels),
            "ready": self.ready,
            "desired": self.desired,
            "message": truncate("; ".join((self.message, *because)), MOST_ENTRY),
        }


def _rollout(
    body: Object, found: Mapping[tuple[str, str], Object], changing: Container[str], causes: Causes
) -> _Rollout:
    name = body["metadata"]["name"]
    existing = found.get(("Deployment", name), {})
    desired = int(body["spec"]["replicas"])
    status = existing.get("status", {})
    fresh = status.get("observedGeneration", 0) >= existing.get("metadata", {}).get("generation", 1)
    ready, updated = (int(status.get(key, 0)) for key in ("readyReplicas", "updatedReplicas"))
    message = ""
    if not existing:
        message = "no Deployment yet"
    elif ready < desired:
        message = f"{ready} of {desired} pods Ready"
    elif not fresh or name in changing:
        message = "change not rolled out yet"
    elif updated < desired:
        message = f"{updated} of {desired} pods updated"
    return _Rollout(
        name,
        body["metadata"]["labels"],
        desired,
        min(desired, ready),
        message,
        bool(existing.get("spec", {}).get("paused")),
        replica_failure(existing) if message else "",
        causes.get(name, {}),
    )


def _causes(incomplete: Sequence[_Rollout]) -> tuple[str, ...]:
    """Return the causes over all Deployments, those that keep pods from being created first."""
    failures = Counter(rollout.failure for rollout in incomplete if rollout.failure)
    of_pods: Counter[str] = Counter()
    for rollout in incomplete:
        of_pods.update(rollout.causes)
    return (*phrase(failures, "Deployment"), *phrase(of_pods))
