"""Pure: all findings about one manifest, at once. `spiko lint` and the condition `Accepted` report them.

`check` accepts any document: every error of the models becomes a finding, and the rules between fields run on
the readable parts. `cross_document.py` has the rules between documents.
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
from spiko_operator.plan.validation.limit_rules import default_limit_rules
from spiko_operator.plan.validation.partial_spec import PartialSpec, read_partial_spec
from spiko_operator.plan.validation.runtime_rules import runtime_rules
from spiko_operator.plan.validation.schema_errors import name_findings, shape_findings
from spiko_operator.plan.validation.service_rules import service_rules
from spiko_operator.plan.validation.telemetry_rules import telemetry_rules


def spec_rules(spec: PartialSpec) -> list[Finding]:
    """Return the findings about rules that a schema cannot express, in the order of the reference page."""
    return [*service_rules(spec), *graph_rules(spec), *runtime_rules(spec), *telemetry_rules(spec)]


def check(document: Any) -> list[Finding]:
    """Return all findings about one manifest; empty for a valid one. Never raises.

    Args:
        document: as the YAML or JSON parser returned it.
    """
    if not isinstance(document, Mapping):
        return [
            found("WrongKind", "", document, f"a manifest must be an object, not {type(document).__name__}")
        ]
    version, kind = document.get("apiVersion"), document.get("kind")
    if version != API_VERSION or kind not in (ARCHITECTURE, FAULT):
        return [_other_kind(version, kind)]
    findings = name_findings(document, str(kind)) + shape_findings(document, str(kind))
    spec = document.get("spec")
    if isinstance(spec, Mapping) and kind == FAULT:
        findings += fault_rules(spec)
    elif isinstance(spec, Mapping):
        findings += [*spec_rules(read_partial_spec(document)), *default_limit_rules(spec)]
    return findings


def _other_kind(version: Any, kind: Any) -> Finding:
    """Return the finding about a document that is neither an Architecture nor a Fault."""
    is_foreign = isinstance(version, str) and not version.startswith("spiko")
    if is_foreign and isinstance(kind, str) and kind not in (ARCHITECTURE, FAULT):
        return found("ForeignKind", "kind", kind, f"skipped: {kind} of {version}")
    if version != API_VERSION:
        return found("WrongKind", "apiVersion", version, f"{shorten(version)}: must be {API_VERSION}")
    return found("WrongKind", "kind", kind, f"{shorten(kind)}: must be Architecture or Fault")


def check_spec(name: str, spec: ArchitectureSpec) -> list[Finding]:
    """Return the findings about a spec that follows the schema, as the operator needs them.

    Args:
        name: of the Architecture.
        spec: its spec.
    """
    raw = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    return spec_rules(read_partial_spec({"metadata": {"name": name}, "spec": raw}))
