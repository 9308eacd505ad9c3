"""`spiko lint`: check manifests offline."""

from __future__ import annotations

import json
import sys
from collections import Counter

import click

from spiko_cli.errors import SpikoError
from spiko_cli.manifests import Manifest, read_files
from spiko_operator.plan.validation.cross_document import check_cross_document
from spiko_operator.plan.validation.findings import Finding, Severity

EXIT_USAGE = 2


@click.command(short_help="Check manifests offline.")
@click.argument("files", nargs=-1, required=True, type=click.Path(), metavar="FILE...")
@click.option("--strict", is_flag=True, help="Warnings fail as well.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to print.")
def command(files: tuple[str, ...], strict: bool, output: str) -> None:
    """Check Architectures and Faults offline and report all faults at once; a Fault also against its Architecture among the files.

    FILE is YAML or JSON, a folder of them, or - for standard input. Exit code 1 if anything is wrong; warnings alone are fine.
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
    """What is wrong with each document, alone and beside the others, in the order of files and lines."""
    between = check_cross_document([None if manifest.faults else manifest.document for manifest in manifests])
    found: list[tuple[Manifest, Finding]] = []
    for manifest, more in zip(manifests, between, strict=True):
        findings = [(manifest.position(finding.path), finding) for finding in [*manifest.findings(), *more]]
        found += [(manifest, finding) for _, finding in sorted(findings, key=lambda pair: pair[0])]
    return found


def render_text(found: list[tuple[Manifest, Finding]], documents: int) -> str:
    """A line or two per finding, and a summary."""
    lines = []
    for manifest, finding in found:
        line, column = manifest.position(finding.path)
        path = "" if finding.path.startswith("#") or not finding.path else f" {finding.path}:"
        lines.append(f"{manifest.file}:{line}:{column}: {finding.severity} {finding.code}{path} {finding.message}")
        if finding.hint:
            lines.append(f"    {finding.hint}")
    counts = Counter(f.severity for _, f in found)
    errors, warnings = counts[Severity.ERROR], counts[Severity.WARNING]
    lines.append(f"{_many(documents, 'document')}, {_many(errors, 'error')}, {_many(warnings, 'warning')}")
    return "\n".join(lines)


def render_json(found: list[tuple[Manifest, Finding]]) -> str:
    """A list of objects."""
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


def _many(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
