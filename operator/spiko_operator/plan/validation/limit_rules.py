"""Pure: the rules on what an Architecture may ask for. The limits are settings of the operator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from spiko_operator.api.architecture import ArchitectureSpec
from spiko_operator.plan.limits import Limits, Size, is_allowed, size_of, size_of_service
from spiko_operator.plan.topology import Topology, choose, wanted_regions
from spiko_operator.plan.validation.findings import Finding, found
from spiko_operator.plan.validation.rule import Severity

POD_SETTINGS = ("SPIKO_MAX_PODS_PER_ARCHITECTURE", "SPIKO_MAX_PODS")
OBJECT_SETTINGS = ("SPIKO_MAX_OBJECTS_PER_ARCHITECTURE", "SPIKO_MAX_OBJECTS")
IMAGES, TOLERATIONS, COLLECTORS = (
    "SPIKO_ALLOWED_IMAGES",
    "SPIKO_ALLOWED_TOLERATIONS",
    "SPIKO_ALLOWED_COLLECTORS",
)


def limit_rules(spec: ArchitectureSpec, topology: Topology, limits: Limits, image: str = "") -> list[Finding]:
    """Return the findings about one Architecture.

    Args:
        spec: its spec.
        topology: that it would have.
        limits: of the operator.
        image: the operator's default image, which is always allowed.
    """
    size = size_of(spec, topology)
    findings = []
    for reason, asked, limit, setting in (
        ("TooManyPods", size.pods, limits.pods, POD_SETTINGS[0]),
        ("TooManyObjects", size.objects, limits.objects, OBJECT_SETTINGS[0]),
    ):
        if asked > limit:
            path = f"spec.services[{_largest(spec, topology)}]"
            text = f"the architecture asks for {asked} {_noun(reason)}, most of them for this tier"
            findings.append(found(reason, path, asked, f"{text}; the limit is {limit} ({setting})"))
    return [*findings, *_images(spec, limits, image), *_tolerations(spec, limits), *_collector(spec, limits)]


def total_rules(size: Size, others: Size, limits: Limits) -> list[Finding]:
    """Return the findings about one Architecture beside the other Architectures of the operator."""
    findings = []
    for noun, asked, used, limit, setting in (
        ("pods", size.pods, others.pods, limits.all_pods, POD_SETTINGS[1]),
        ("objects", size.objects, others.objects, limits.all_objects, OBJECT_SETTINGS[1]),
    ):
        if asked + used > limit:
            text = (
                f"the architecture asks for {asked} {noun}, and the others have {used}; the limit is {limit}"
            )
            findings.append(found("OperatorLimit", "spec.services", asked, f"{text} ({setting})"))
    return findings


def default_limit_rules(raw: Any) -> list[Finding]:
    """Return warnings about a spec that exceeds the default limits; none for a spec with other errors."""
    try:
        spec = ArchitectureSpec.model_validate(raw, strict=False)
    except ValidationError:
        return []
    topology = choose(spec.topology, {}, wanted_regions(spec.services))
    return [replace(each, severity=Severity.WARNING) for each in limit_rules(spec, topology, Limits())]


def _noun(reason: str) -> str:
    return "pods" if reason == "TooManyPods" else "objects"


def _largest(spec: ArchitectureSpec, topology: Topology) -> int:
    """Return the position of the tier that asks for most."""
    sizes = [size_of_service(service, topology, spec.scale) for service in spec.services]
    return max(range(len(sizes)), key=lambda i: (sizes[i].pods, sizes[i].objects))


def _images(spec: ArchitectureSpec, limits: Limits, default: str) -> Iterator[Finding]:
    given = [("spec.runtime.image", spec.runtime.image if spec.runtime else None)]
    for i, service in enumerate(spec.services):
        given.append((f"spec.services[{i}].image", service.image))
        for j, version in enumerate(service.versions or ()):
            given.append((f"spec.services[{i}].versions[{j}].image", version.image))
    for path, image in given:
        if image is not None and image != default and not is_allowed(image, limits.images):
            yield _not_allowed("ImageNotAllowed", path, image, IMAGES, limits.images)


def _tolerations(spec: ArchitectureSpec, limits: Limits) -> Iterator[Finding]:
    tolerations = (spec.runtime.tolerations if spec.runtime else None) or ()
    for i, toleration in enumerate(tolerations):
        # Without a key, every taint is tolerated: only the pattern * allows that.
        key = toleration.key or "*"
        if not is_allowed(key, limits.tolerations):
            path = f"spec.runtime.tolerations[{i}].key"
            yield _not_allowed("TolerationNotAllowed", path, key, TOLERATIONS, limits.tolerations)


def _collector(spec: ArchitectureSpec, limits: Limits) -> Iterator[Finding]:
    endpoint = spec.telemetry.otlp_endpoint if spec.telemetry else None
    if endpoint is not None and not is_allowed(urlsplit(endpoint).hostname or "", limits.collectors):
        yield _not_allowed(
            "CollectorNotAllowed", "spec.telemetry.otlpEndpoint", endpoint, COLLECTORS, limits.collectors
        )


def _not_allowed(reason: str, path: str, value: str, setting: str, patterns: tuple[str, ...]) -> Finding:
    text = f'"{value[:128]}" is not allowed; allowed: {", ".join(patterns)[:200]} ({setting})'
    return found(reason, path, value, text)
