"""`spiko lint`: check manifests offline."""

from __future__ import annotations

import json
import sys
from collections import Counter

import click

from spiko_cli.errors import SpikoError
from spiko_cli.manifests import Manifest, read_files
from spiko_operator.plan.findings import Finding, Severity
from spiko_operator.plan.together import check_together

EXIT_USAGE = 2


@click.command(short_help="Check manifests offline.")
@click.argument("files", nargs=-1, required=True, type=click.Path(), metavar="FILE...")
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings as well.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="Output format.")
def command(files: tuple[str, ...], strict: bool, output: str) -> None:
    """Check Architectures and Faults offline and report all findings at once.

    A Fault is also checked against its Architecture if that is in one of the files.
    FILE is YAML or JSON, a folder of them, or - for standard input. Exit code 1 for errors, 2 for unreadable files.
    """
    try:
        manifests = list(read_files(files))
    except SpikoError as error:
        click.echo(f"spiko: {error}", err=True)
        sys.exit(EXIT_USAGE)
    found = find_all(manifests)
    click.echo(render_json(found) if output == "json" else render_text(found, len(manifests)))
    counts = Counter(f.severity for _, f in found)
    sys.exit(1 if counts[Severity.ERROR] or (strict and counts[Severity.WARNING]) else 0)


def find_all(manifests: list[Manifest]) -> list[tuple[Manifest, Finding]]:
    """Return the findings in each document and between documents, in the order of files and lines."""
    between = check_together([None if manifest.errors else manifest.document for manifest in manifests])
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
