"""Pure: what a file asks `spiko run` for, and the manifests that the run applies in its course."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spiko_cli.errors import SpikoError
from spiko_cli.manifests import Manifest
from spiko_nanoservice.contract import Package
from spiko_operator.api.architecture import KIND as ARCHITECTURE
from spiko_operator.api.common import API_VERSION
from spiko_operator.api.fault import KIND as FAULT

Object = dict[str, Any]


@dataclass(frozen=True)
class Wish:
    """One Architecture, and the Faults that the file has for it. Manifests are without a namespace."""

    architecture: Object
    faults: tuple[Object, ...] = ()

    @property
    def name(self) -> str:
        """The Architecture's."""
        return str(self.architecture["metadata"]["name"])

    @property
    def sources(self) -> frozenset[str]:
        """Tiers in which requests begin."""
        return frozenset(s["name"] for s in self.architecture["spec"]["services"] if _is_source(s))

    @property
    def endpoint(self) -> str:
        """Where its traces go by its own word; empty if it does not say."""
        telemetry = self.architecture["spec"].get("telemetry") or {}
        return str(telemetry.get("otlpEndpoint") or "")


def choose_wish(manifests: Sequence[Manifest], file: str) -> Wish:
    """The one Architecture of a file that `spiko lint` finds no error in.

    Raises:
        SpikoError: there is none, or there are several.
    """
    documents = [m.document for m in manifests]
    architectures = [d for d in documents if d.get("kind") == ARCHITECTURE]
    if len(architectures) != 1:
        names = ", ".join(d["metadata"]["name"] for d in architectures)
        what = f"{len(architectures)} Architectures ({names})" if architectures else "no Architecture"
        raise SpikoError(f"{file}: {what} in there; `spiko run` takes one, `kubectl apply` takes any number")
    wanted = copy.deepcopy(architectures[0])
    name = wanted["metadata"]["name"]
    faults = [d for d in documents if d.get("kind") == FAULT and d["spec"]["architecture"] == name]
    return Wish(_bare(wanted), tuple(_bare(copy.deepcopy(fault)) for fault in faults))


def faults_of(wish: Wish, seed: int) -> list[Object]:
    """What is injected at half time: the file's own Faults, else one pod of the victim tier deleted without grace.

    Args:
        wish: the file's.
        seed: draws the victim.
    """
    if wish.faults:
        return [copy.deepcopy(fault) for fault in wish.faults]
    victim = wish.architecture["spec"].get("victim")
    if not victim:
        return []
    kill = {"tier": victim, "method": "Delete", "gracePeriodSeconds": 0}
    return [
        {
            "apiVersion": API_VERSION,
            "kind": FAULT,
            "metadata": {"name": f"{wish.name}-half-time"},
            "spec": {"architecture": wish.name, "seed": seed, "kill": kill},
        }
    ]


def with_endpoint(architecture: Object, endpoint: str) -> Object:
    """The same Architecture, exporting its traces to an endpoint."""
    changed = copy.deepcopy(architecture)
    telemetry = changed["spec"].get("telemetry") or {}
    changed["spec"]["telemetry"] = telemetry | {"otlpEndpoint": endpoint}
    return changed


def silenced(architecture: Object) -> Object:
    """The same Architecture with every source at 0 requests/s: what is on its way is answered, nothing follows."""
    changed = copy.deepcopy(architecture)
    for service in changed["spec"]["services"]:
        if _is_source(service):
            service["ratePerSecond"] = 0
    return changed


def _is_source(service: Object) -> bool:
    """Whether a version of it, at least, is a denominator."""
    packages = [version.get("package") or service["package"] for version in service.get("versions") or [{}]]
    return Package.DENOMINATOR in packages


def _bare(document: Object) -> Object:
    """Without what only a server says, and without a namespace: the command line's counts."""
    metadata = {k: v for k, v in document["metadata"].items() if k in ("name", "labels", "annotations")}
    return {
        "apiVersion": document["apiVersion"],
        "kind": document["kind"],
        "metadata": metadata,
        "spec": document["spec"],
    }
