"""Pure: the rules between documents of one set of files. A Fault names an Architecture; if that is in the set, its tiers are known.

If it is not, nothing is said: it may be in the cluster. `check` has reported what is wrong with each document alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spiko_operator.api.architecture import KIND as ARCHITECTURE
from spiko_operator.api.common import API_VERSION
from spiko_operator.api.fault import KIND as FAULT
from spiko_operator.plan import names
from spiko_operator.plan.validation.findings import Finding, Nearest, found
from spiko_operator.plan.validation.partial_spec import PartialSpec, declared, read_partial_spec

_PLACE = re.compile(r"-([zr]\d+)$")
_HASHED = re.compile(r"^.{35,43}-[0-9a-f]{8}$")  # how names.derived shortens: such a name cannot be read back


def check_cross_document(documents: Sequence[Any]) -> list[list[Finding]]:
    """Check what documents say of each other; never raises.

    Args:
        documents: as YAML or JSON parsed them; None for one that could not be read.

    Returns:
        For each document its findings, in the order of the documents.

    """
    known: dict[str, list[tuple[str | None, PartialSpec]]] = {}
    for document in documents:
        if _is(document, ARCHITECTURE) and (draft := read_partial_spec(document)).name:
            known.setdefault(str(draft.name), []).append((_namespace(document), draft))
    suggest = Nearest()
    return [list(_fault(document, known, suggest)) if _is(document, FAULT) else [] for document in documents]


def _is(document: Any, kind: str) -> bool:
    return isinstance(document, Mapping) and document.get("apiVersion") == API_VERSION and document.get("kind") == kind


def _namespace(document: Mapping[str, Any]) -> str | None:
    """The namespace as far as the file says it: kubectl's -n may say it as well."""
    metadata = document.get("metadata")
    namespace = metadata.get("namespace") if isinstance(metadata, Mapping) else None
    return namespace if isinstance(namespace, str) else None


def _fault(
    document: Mapping[str, Any], known: Mapping[str, list[tuple[str | None, PartialSpec]]], suggest: Nearest
) -> Iterator[Finding]:
    spec = document.get("spec")
    name = spec.get("architecture") if isinstance(spec, Mapping) else None
    kill = spec.get("kill") if isinstance(spec, Mapping) else None
    if not isinstance(name, str) or not isinstance(kill, Mapping):
        return
    own = _namespace(document)
    specs = [draft for there, draft in known.get(name, ()) if None in (own, there) or own == there]
    if not specs:
        return
    tier, pod = kill.get("tier"), kill.get("pod")
    if isinstance(tier, str):
        yield from _tier(name, specs, tier, suggest)
        yield from _within(specs, tier, kill, suggest)
    if isinstance(pod, str):
        yield from _pod(name, specs, pod, suggest)


def _tier(architecture: str, specs: list[PartialSpec], tier: str, suggest: Nearest) -> Iterator[Finding]:
    tiers = [service.name for draft in specs for service in draft.services if service.name]
    if tier not in (*tiers, names.EUREKA):
        text = f'"{tier[:64]}" is no tier of Architecture {architecture[:64]}'
        yield found("UnknownTarget", "spec.kill.tier", tier, text, suggest(tier, [*tiers, names.EUREKA]))


def _within(specs: list[PartialSpec], tier: str, kill: Mapping[str, Any], suggest: Nearest) -> Iterator[Finding]:
    """Version, region and zone of the tier; what is left to the nodes' labels is not known here, and a second draft may have it."""
    services = [(draft, service) for draft in specs for service in draft.services if service.name == tier]
    if len(services) != 1:
        return
    ((draft, service),) = services
    known: dict[str, list[str] | None] = {"version": list(declared(service)), "region": None, "zone": None}
    if service.regions == 0:
        known |= {"region": [], "zone": []}
    elif service.count == 0:
        known |= {"zone": []}
    if draft.places is not None and service.regions:
        places = draft.places[: service.regions]
        complete = len(places) == service.regions  # more regions than the spec names get names of their own
        if known["region"] is None and complete:
            known["region"] = [region for region, _ in places]
        if known["zone"] is None and complete:
            known["zone"] = [zone for region, zones in places for zone in zones if kill.get("region") in (None, region)]
    for field, values in known.items():
        value = kill.get(field)
        if isinstance(value, str) and values is not None and value not in values:
            text = (
                f'"{tier[:64]}" has {", ".join(values)[:200] or "none"}'
                if values
                else f'"{tier[:64]}" is in no {field}'
            )
            yield found("UnknownScope", f"spec.kill.{field}", value, text, suggest(value, values))


def _pod(architecture: str, specs: list[PartialSpec], pod: str, suggest: Nearest) -> Iterator[Finding]:
    """A pod is named <deployment>-<hash of the template>-<five letters>."""
    deployment = pod.rsplit("-", 2)[0]
    if _HASHED.match(deployment) or deployment.startswith(names.eureka_name(architecture)):
        return
    place = _PLACE.search(deployment)
    made = [
        names.deployment_name(architecture, service.name, version, place[1] if place else "")
        for draft in specs
        for service in draft.services
        if service.name
        for version in declared(service)
    ]
    if deployment not in made:
        text = f'"{pod[:64]}" is a pod of no tier and version of Architecture {architecture[:64]}'
        near = suggest(deployment, made)
        yield found("UnknownPod", "spec.kill.pod", pod, text, near.replace("you mean", "you mean a pod of"))
