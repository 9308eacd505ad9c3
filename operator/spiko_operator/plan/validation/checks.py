"""Pure: everything that is wrong with a manifest, found at once. `spiko lint` and the condition `Accepted` report it.

`check` reads a raw document, however broken: every error of the models becomes a finding, and the rules between the parts run on
what could be read. `cross_document.py` has the rules between documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spiko_operator.api.architecture import KIND as ARCHITECTURE
from spiko_operator.api.architecture import ArchitectureSpec
from spiko_operator.api.common import API_VERSION
from spiko_operator.api.fault import KIND as FAULT
from spiko_operator.plan.validation.fault_rules import fault_rules
from spiko_operator.plan.validation.findings import Finding, found, shorten
from spiko_operator.plan.validation.graph_rules import graph_rules
from spiko_operator.plan.validation.partial_spec import PartialSpec, read_partial_spec
from spiko_operator.plan.validation.schema_errors import name_findings, shape_findings
from spiko_operator.plan.validation.service_rules import service_rules


def spec_rules(spec: PartialSpec) -> list[Finding]:
    """Check what a schema cannot, in the order of the reference page."""
    return [*service_rules(spec), *graph_rules(spec)]


def check(document: Any) -> list[Finding]:
    """Check one manifest, as YAML or JSON parsed it; never raises.

    Returns:
        All findings, in the order of the document's parts; empty for a manifest without fault.
    """
    if not isinstance(document, Mapping):
        return [found("WrongKind", "", document, f"a manifest is an object, not {type(document).__name__}")]
    version, kind = document.get("apiVersion"), document.get("kind")
    if version != API_VERSION or kind not in (ARCHITECTURE, FAULT):
        if (
            isinstance(version, str)
            and isinstance(kind, str)
            and not version.startswith("spiko")
            and kind not in (ARCHITECTURE, FAULT)
        ):
            return [found("ForeignKind", "kind", kind, f"{kind} of {version} was passed over")]
        field, value = ("apiVersion", version) if version != API_VERSION else ("kind", kind)
        return [
            found(
                "WrongKind",
                field,
                value,
                f"{shorten(value)} is not {API_VERSION if field == 'apiVersion' else 'Architecture or Fault'}",
            )
        ]
    findings = name_findings(document, str(kind)) + shape_findings(document, str(kind))
    spec = document.get("spec")
    if isinstance(spec, Mapping):
        findings += spec_rules(read_partial_spec(document)) if kind == ARCHITECTURE else fault_rules(spec)
    return findings


def check_spec(name: str, spec: ArchitectureSpec) -> list[Finding]:
    """Check a spec that the models took, as the operator does.

    Args:
        name: the Architecture's.
        spec: its spec.
    """
    raw = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    return spec_rules(read_partial_spec({"metadata": {"name": name}, "spec": raw}))
