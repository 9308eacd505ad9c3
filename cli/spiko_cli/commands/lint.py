"""`spiko lint`: check manifests offline."""

from __future__ import annotations

import sys
from collections import Counter

import click

from spiko_cli.errors import SpikoError
from spiko_cli.lint_report import find_all, render_json, render_text
from spiko_cli.manifests import read_files
from spiko_operator.plan.validation.rule import Severity

EXIT_USAGE = 2


@click.command(short_help="Check manifests offline.")
@click.argument("files", nargs=-1, required=True, type=click.Path(), metavar="FILE...")
@click.option("-R", "--recursive", is_flag=True, help="Read the folders in folders as well.")
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings as well.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="Output format.")
def command(files: tuple[str, ...], recursive: bool, strict: bool, output: str) -> None:
    """Check Architectures and Faults offline and report all findings at once.

    A Fault is also checked against its Architecture if that is in one of the files. FILE is YAML or JSON, a
    folder of them, or - for standard input; they are read as kubectl reads them, lists included. Exit code 1
    for errors, 2 for unreadable files and for files without a document.
    """
    try:
        manifests = list(read_files(files, recursive))
        if not manifests:
            raise SpikoError(f"{', '.join(files)}: no document found")
    except SpikoError as error:
        click.echo(f"spiko: {error}", err=True)
        sys.exit(EXIT_USAGE)
    found = find_all(manifests)
    click.echo(render_json(found) if output == "json" else render_text(found, len(manifests)))
    counts = Counter(f.severity for _, f in found)
    sys.exit(1 if counts[Severity.ERROR] or (strict and counts[Severity.WARNING]) else 0)
