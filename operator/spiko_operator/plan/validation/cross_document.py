"""Pure: the rules between documents of one set of files.

A Fault must fit the Architecture that it names. If the set does not have that Architecture, the finding is a
warning, because the cluster may have it. Two Architectures of a namespace must not need the same names.
`checks.py` has the rules on single documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spiko_operator.api.architecture import KIND as ARCHITECTURE
from spiko_operator.api.common import API_VERSION
from spiko_operator.api.fault import KIND as FAULT
from spiko_operator.plan import names
from spiko_operator.plan.topology import ANYWHERE
from spiko_operator.plan.validation.findings import Finding, Nearest, found
from spiko_operator.plan.validation.instances import Instances
from spiko_operator.plan.validation.partial_spec import PartialSpec, declared, read_partial_spec

_PLACE = re.compile(r"-([zr]\d+)$")
_HASHED = re.compile(r"^.{35,43}-[0-9a-f]{8}$")  # names.derived cut the name, so its parts are unknown


def check_cross_document(documents: Sequence[Any]) -> list[list[Finding]]:
    """Return the findings about the relations between documents, one list for each document. Never raises.

    Args:
        documents: as the YAML or JSON parser returned them; None for one that could not be parsed.
    """
    known: dict[str, list[tuple[str | None, PartialSpec]]] = {}
    for document in documents:
        if _is(document, ARCHITECTURE) and (partial := read_partial_spec(document)).name:
            known.setdefault(str(partial.name), []).append((_namespace(document), partial))
    suggest = Nearest()
    findings: list[list[Finding]] = []
    for document in documents:
        if _is(document, FAULT):
            findings.append(list(_fault(document, known, suggest)))
        else:
            findings.append(list(_names(document, known)) if _is(document, ARCHITECTURE) else [])
    return findings


def _names(
    document: Mapping[str, Any], known: Mapping[str, list[tuple[str | None, PartialSpec]]]
) -> Iterator[Finding]:
    """Check that no tier has the name of an object of another Architecture."""
    partial, own = read_partial_spec(document), _namespace(document)
    if partial.name is None:
        return
    for name, entries in known.items():
        specs = [other for there, other in entries if None in (own, there) or own == there]
        if not specs or not names.may_share(partial.name, name):
            continue
        needed = names.needed_names(name, [tier for other in specs for tier in other.tiers])
        mine = {names.service_name(partial.name, s.name): s for s in partial.services if s.name is not None}
        for shared in sorted(needed & mine.keys()):
            text = f'its Service {shared} would have the name of an object of Architecture "{name[:64]}"'
            yield found("NameTaken", f"{mine[shared].path}.name", mine[shared].name, text)


def _is(document: Any, kind: str) -> bool:
    return (
        isinstance(document, Mapping)
        and document.get("apiVersion") == API_VERSION
        and document.get("kind") == kind
    )


def _namespace(document: Mapping[str, Any]) -> str | None:
    """Return the namespace in the file, or None: it may also be given by the -n option of kubectl."""
    metadata = document.get("metadata")
    namespace = metadata.get("namespace") if isinstance(metadata, Mapping) else None
    return namespace if isinstance(namespace, str) else None


def _fault(
    document: Mapping[str, Any], known: Mapping[str, list[tuple[str | None, PartialSpec]]], suggest: Nearest
) -> Iterator[Finding]:
    spec = document.get("spec")
    name = spec.get("architecture") if isinstance(spec, Mapping) else None
    kill = spec.get("kill") if isinstance(spec, Mapping) else None
    if not isinstance(name, str):
        return
    own = _namespace(document)
    specs = [partial for there, partial in known.get(name, ()) if None in (own, there) or own == there]
    if not specs:
        where = f' in namespace "{own[:64]}"' if own and name in known else ""
        text = f'the files have no Architecture "{name[:64]}"{where}; the target was not checked'
        yield found(
            "AbsentArchitecture", "spec.architecture", name, text, suggest(name, known.keys() - {name})
        )
    if not specs or not isinstance(kill, Mapping):
        return
    tier, pod = kill.get("tier"), kill.get("pod")
    if isinstance(tier, str):
        yield from _tier(name, specs, tier, suggest)
        yield from _within(specs, tier, kill, suggest)
    if isinstance(pod, str):
        yield from _pod(name, specs, pod, suggest)


def _tier(architecture: str, specs: list[PartialSpec], tier: str, suggest: Nearest) -> Iterator[Finding]:
    tiers = [service.name for partial in specs for service in partial.services if service.name]
    if tier not in (*tiers, names.EUREKA):
        text = f'"{tier[:64]}" is not a tier of Architecture "{architecture[:64]}"'
        yield found("UnknownTarget", "spec.kill.tier", tier, text, suggest(tier, [*tiers, names.EUREKA]))


def _within(
    specs: list[PartialSpec], tier: str, kill: Mapping[str, Any], suggest: Nearest
) -> Iterator[Finding]:
    """Check version, region and zone of the tier.

    Regions and zones are unknown if the nodes' labels decide, and all three if several Architectures have the
    tier.
    """
    services = [
        (partial, service) for partial in specs for service in partial.services if service.name == tier
    ]
    if len(services) != 1:
        return
    ((partial, service),) = services
    known: dict[str, list[str] | None] = {"version": list(declared(service)), "region": None, "zone": None}
    if service.regions == 0:
        known |= {"region": [], "zone": []}
    elif (cells := Instances(partial).cells(tier)) and {cell.zone for cell in cells} == {ANYWHERE}:
        known |= {"zone": []}
    if partial.places is not None and service.regions:
        places = partial.places[: service.regions]
        # The operator chooses the names of regions that the spec does not list.
        complete = len(places) == service.regions
        if known["region"] is None and complete:
            known["region"] = [region for region, _ in places]
        if known["zone"] is None and complete:
            known["zone"] = [
                zone for region, zones in places for zone in zones if kill.get("region") in (None, region)
            ]
    for field, values in known.items():
        value = kill.get(field)
        if isinstance(value, str) and values is not None and value not in values:
            text = (
                f'"{value[:64]}" does not exist in tier "{tier[:64]}", which has: {", ".join(values)[:200]}'
                if values
                else f'tier "{tier[:64]}" runs outside any {field}'
            )
            yield found("UnknownScope", f"spec.kill.{field}", value, text, suggest(value, values))


def _pod(architecture: str, specs: list[PartialSpec], pod: str, suggest: Nearest) -> Iterator[Finding]:
    """Check that the pod has the name of a Deployment: <deployment>-<hash of the template>-<five letters>."""
    deployment = pod.rsplit("-", 2)[0]
    if _HASHED.match(deployment) or deployment.startswith(names.eureka_name(architecture)):
        return
    place = _PLACE.search(deployment)
    deployments = [
        names.deployment_name(architecture, service.name, version, place[1] if place else "")
        for partial in specs
        for service in partial.services
        if service.name
        for version in declared(service)
    ]
    if deployment not in deployments:
        text = f'no tier and version of Architecture "{architecture[:64]}" has a pod "{pod[:64]}"'
        near = suggest(deployment, deployments)
        yield found("UnknownPod", "spec.kill.pod", pod, text, near.replace("you mean", "you mean a pod of"))
