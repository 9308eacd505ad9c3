"""Pure: the specification of a run from a file, its options, and the manifests that it applies."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spiko_cli.errors import SpikoError
from spiko_cli.manifests import Manifest
from spiko_local.objects import Object
from spiko_nanoservice.contract import traits_of
from spiko_operator.api.architecture import KIND as ARCHITECTURE
from spiko_operator.api.common import API_VERSION
from spiko_operator.api.fault import KIND as FAULT


@dataclass(frozen=True)
class RunOptions:
    """How a file is run.

    Args:
        seconds: how long there is traffic.
        namespace: for all objects.
        seed: draws the victim.
        timeout_s: how long it may take until the architecture is ready.
        keep: whether the architecture stays.
        endpoint: of the OTLP receiver that runs here; empty if traces go elsewhere, or nowhere.
        reach: how to reach eurekas, direct or proxy; None chooses by their addresses.
    """

    seconds: float
    namespace: str
    seed: int
    timeout_s: float
    keep: bool
    endpoint: str = ""
    reach: Any = None


@dataclass(frozen=True)
class RunSpec:
    """One Architecture, and the Faults that the file has for it. Manifests are without a namespace."""

    architecture: Object
    faults: tuple[Object, ...] = ()

    @property
    def name(self) -> str:
        """The Architecture's name."""
        return str(self.architecture["metadata"]["name"])

    @property
    def sources(self) -> frozenset[str]:
        """Tiers in which requests begin."""
        return frozenset(s["name"] for s in self.architecture["spec"]["services"] if _is_source(s))

    @property
    def endpoint(self) -> str:
        """The Architecture's own OTLP endpoint; empty if it has none."""
        telemetry = self.architecture["spec"].get("telemetry") or {}
        return str(telemetry.get("otlpEndpoint") or "")


def choose_run(manifests: Sequence[Manifest], file: str) -> RunSpec:
    """Return the only Architecture of a file, with its Faults.

    Args:
        manifests: of a file in which `spiko lint` finds no error.
        file: its name, for messages.

    Raises:
        SpikoError: there is no Architecture, or more than one.
    """
    documents = [m.document for m in manifests]
    architectures = [d for d in documents if d.get("kind") == ARCHITECTURE]
    if len(architectures) != 1:
        names = ", ".join(d["metadata"]["name"] for d in architectures)
        what = (
            f"contains {len(architectures)} Architectures ({names})"
            if architectures
            else "no Architecture found"
        )
        raise SpikoError(f"{file}: {what}; `spiko run` takes exactly one, `kubectl apply` any number")
    name = architectures[0]["metadata"]["name"]
    faults = [d for d in documents if d.get("kind") == FAULT and d["spec"]["architecture"] == name]
    return RunSpec(_bare(architectures[0]), tuple(_bare(fault) for fault in faults))


def faults_of(spec: RunSpec, seed: int) -> list[Object]:
    """Return the Faults to inject at half time.

    Args:
        spec: of the file. Without Faults of its own, one pod of the victim tier is deleted without grace.
        seed: draws the victim.
    """
    if spec.faults:
        return [copy.deepcopy(fault) for fault in spec.faults]
    victim = spec.architecture["spec"].get("victim")
    if not victim:
        return []
    kill = {"tier": victim, "method": "Delete", "gracePeriodSeconds": 0}
    return [
        {
            "apiVersion": API_VERSION,
            "kind": FAULT,
            "metadata": {"name": f"{spec.name}-half-time"},
            "spec": {"architecture": spec.name, "seed": seed, "kill": kill},
        }
    ]


def with_endpoint(architecture: Object, endpoint: str) -> Object:
    """Return the same Architecture, with traces exported to an endpoint."""
    changed = copy.deepcopy(architecture)
    telemetry = changed["spec"].get("telemetry") or {}
    changed["spec"]["telemetry"] = telemetry | {"otlpEndpoint": endpoint}
    return changed


def silenced(architecture: Object) -> Object:
    """Return the same Architecture with all sources at 0 requests/s: pending requests are still answered."""
    changed = copy.deepcopy(architecture)
    for service in changed["spec"]["services"]:
        if _is_source(service):
            service["load"] = {**(service.get("load") or {}), "ratePerSecond": 0}
    return changed


def _is_source(service: Object) -> bool:
    """Return whether at least one version of a service is a denominator."""
    packages = [version.get("package") or service["package"] for version in service.get("versions") or [{}]]
    return any(traits.source for package in packages if (traits := traits_of(package)) is not None)


def _bare(document: Object) -> Object:
    """Return a copy without fields that a server sets, and without the namespace, which is an option."""
    metadata = {k: v for k, v in document["metadata"].items() if k in ("name", "labels", "annotations")}
    return copy.deepcopy(
        {
            "apiVersion": document["apiVersion"],
            "kind": document["kind"],
            "metadata": metadata,
            "spec": document["spec"],
        }
    )
