"""Findings in manifests: collected over all files, and rendered as text or JSON."""

from __future__ import annotations

import json
from collections import Counter

from spiko_cli.manifests import Manifest
from spiko_operator.plan.validation.cross_document import check_cross_document
from spiko_operator.plan.validation.findings import Finding
from spiko_operator.plan.validation.rule import Severity


def find_all(manifests: list[Manifest]) -> list[tuple[Manifest, Finding]]:
    """Return the findings in each document and between documents, in the order of files and lines."""
    between = check_cross_document([None if manifest.errors else manifest.document for manifest in manifests])
    found: list[tuple[Manifest, Finding]] = []
    for manifest, more in zip(manifests, between, strict=True):
        findings = [(manifest.position(finding.path), finding) for finding in [*manifest.findings(), *more]]
        found += [(manifest, finding) for _, finding in sorted(findings, key=lambda pair: pair[0])]
    return found


def render_text(found: list[tuple[Manifest, Finding]], documents: int) -> str:
    """Return one or two lines per finding, and a summary.

    Args:
        found: the findings.
        documents: how many documents were checked.
    """
    lines = []
    for manifest, finding in found:
        start = f"{manifest.location(finding)} {finding.severity} {finding.code}"
        lines.append(f"{start}{render_path(finding)} {finding.message}")
        if finding.hint:
            lines.append(f"    {finding.hint}")
    counts = Counter(f.severity for _, f in found)
    errors, warnings = counts[Severity.ERROR], counts[Severity.WARNING]
    lines.append(f"{_count(documents, 'document')}, {_count(errors, 'error')}, {_count(warnings, 'warning')}")
    return "\n".join(lines)


def render_path(finding: Finding) -> str:
    """Return ` PATH:`; empty for a finding about the document's syntax."""
    return "" if finding.path.startswith("#") or not finding.path else f" {finding.path}:"


def render_json(found: list[tuple[Manifest, Finding]]) -> str:
    """Return a JSON list with one object per finding."""
    items = []
    for manifest, finding in found:
        line, column = manifest.position(finding.path)
        items.append(
            {
                "file": manifest.file,
                "line": line,
                "column": column,
                "severity": finding.severity.value,
                "code": finding.code,
                "reason": finding.reason,
                "path": finding.path,
                "value": finding.value,
                "message": finding.message,
                "hint": finding.hint,
            }
        )
    return json.dumps(items, indent=1, ensure_ascii=False)


def _count(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
