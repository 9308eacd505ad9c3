"""Pure: the rules on the shares of versions: callers that see no instance of a version cannot call it.

The requests of the sources are followed through the tiers, in the proportions of the routing tables: a
dependency by its visible declared instances, a version by weight among those with a visible instance, an
instance with equal probability. Dependencies that close a cycle are left out, and a staash counts as asking
each of its dependencies for every request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from spiko_nanoservice.contract import DEFAULT_RATE_PER_SECOND, StorageKind
from spiko_operator.plan.validation.cycles import callers_first
from spiko_operator.plan.validation.findings import Finding, found
from spiko_operator.plan.validation.instances import Instances, called_tiers
from spiko_operator.plan.validation.partial_spec import PartialService, PartialSpec

TOLERANCE = 0.1  # of the share that the weights give
Flow = Mapping[str, list[float]]  # tier -> requests per second of each cell


def share_rules(spec: PartialSpec, instances: Instances) -> list[Finding]:
    """Return the findings about versions that do not get the share that their weight gives."""
    idle = [finding for service in spec.services for finding in _without_replicas(service)]
    split = [service for service in spec.services if len(_weights(service, instances)) > 1]
    flow = _flow(spec, instances) if split else {}
    return [*idle, *(finding for service in split for finding in _skewed(service, instances, flow))]


def _without_replicas(service: PartialService) -> Iterator[Finding]:
    first = service.versions[0].name if service.versions else ""
    weights = {first: 1} if service.split is None else {version: w for _, version, w in service.split}
    for version in service.versions or ():
        if version.replicas == 0 and weights.get(version.name):
            text = (
                f"version {version.name[:20]} has weight {weights[version.name]} and no replicas, so it gets "
                "no request"
            )
            yield found("WeightWithoutReplicas", f"{version.path}.replicas", 0, text)


def _weights(service: PartialService, instances: Instances) -> dict[str, int]:
    """Return the versions that have a weight and instances, with their weights."""
    return {cell.version: cell.weight for cell in instances.cells(service.name) if cell.weight}


def _skewed(service: PartialService, instances: Instances, flow: Flow) -> Iterator[Finding]:
    weights, arrived = _weights(service, instances), flow.get(str(service.name), [])
    total, of_weights = sum(arrived), sum(weights.values())
    if not total:
        return
    gets = dict.fromkeys(weights, 0.0)
    for cell, requests in zip(instances.cells(service.name), arrived, strict=True):
        if cell.version in gets:
            gets[cell.version] += requests / total
    wrong = {
        version: (weight / of_weights, gets[version])
        for version, weight in weights.items()
        if abs(gets[version] - weight / of_weights) > TOLERANCE * weight / of_weights
    }
    if wrong:
        shown = ", ".join(
            f"{version[:20]} gets {100 * got:.3g} % instead of {100 * meant:.3g} %"
            for version, (meant, got) in wrong.items()
        )
        text = f"{shown} of the requests: some callers see no instance of a version"
        yield found("SkewedSplit", f"{service.path}.routing.split", None, text)


def _flow(spec: PartialSpec, instances: Instances) -> Flow:
    """Return the requests per second that each cell gets, in proportion."""
    tiers = {name: service for name, service in spec.tiers.items() if instances.cells(name)}
    calls = {name: called_tiers(service, instances) for name, service in tiers.items()}
    flow = {name: [0.0] * len(instances.cells(name)) for name in tiers}
    sent = {name: [0.0] * len(instances.cells(name)) for name in tiers}
    placed: set[str] = set()
    for name in callers_first(calls):
        placed.add(name)
        rate = tiers[name].rate
        for i, cell in enumerate(instances.cells(name)):
            traits = cell.traits
            if traits is None or not traits.forwards:
                continue
            own = max(1, DEFAULT_RATE_PER_SECOND if rate is None else rate) * cell.size
            sent[name][i] = flow[name][i] + (own if traits.source else 0)
            ahead = [other for other in calls[name] if other not in placed]
            _send(instances, flow, (name, i, sent[name][i]), ahead, traits.storage is StorageKind.STAASH)
    return flow


def _send(
    instances: Instances,
    flow: Mapping[str, list[float]],
    sender: tuple[str, int, float],
    ahead: list[str],
    asks_all: bool,
) -> None:
    name, i, requests = sender
    views = {other: view for other in ahead if (view := instances.view(name, i, other)).shares}
    total = sum(view.weight for view in views.values())
    for other, view in views.items():
        part = requests if asks_all else requests * view.weight / total
        for index, share in view.shares:
            flow[other][index] += part * share
