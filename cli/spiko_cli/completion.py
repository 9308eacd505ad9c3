"""Completion: click's own scripts for shells, and the program that kubectl calls for `kubectl spiko`.

kubectl runs `kubectl_complete-spiko WORD...` and expects one candidate per line and a directive in the last
line, as programs with cobra print them. Source: kubectl's plugin documentation; cobra, ShellCompDirective.
"""

from __future__ import annotations

import contextlib
import os
import sys

import click
from click.shell_completion import CompletionItem, ShellComplete

from spiko_cli.program import group

NO_FILES, FILES = ":4", ":0"
ANSWER_S = 2.0


def candidates(words: list[str]) -> tuple[list[CompletionItem], bool]:
    """Return the candidates for the last word, and whether it may be a file.

    >>> [item.value for item in candidates(["st"])[0]]
    ['status']
    """
    *before, last = words or [""]
    found = ShellComplete(group, {}, "spiko", "_SPIKO_COMPLETE").get_completions(before, last)
    return [item for item in found if item.type == "plain"], any(
        item.type in ("file", "dir") for item in found
    )


def kubectl() -> None:
    """Run the program `kubectl_complete-spiko`."""
    found, files = candidates(sys.argv[1:])
    for item in found:
        click.echo(f"{item.value}\t{item.help}" if item.help else item.value)
    click.echo(FILES if files else NO_FILES)


def architectures(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the architectures in the command's cluster; none if it does not answer within 2 s."""
    import asyncio

    options = context.params
    with contextlib.suppress(Exception):  # the edge of a process: completion must never print an error
        found = asyncio.run(
            _names(options.get("kubeconfig"), options.get("context"), options.get("namespace") or "")
        )
        return [name for name in found if name.startswith(incomplete)]
    return []


async def _names(kubeconfig: str | None, context: str | None, namespace: str) -> list[str]:
    from spiko_cli.connection import connect
    from spiko_cli.kubeconfig import find_access

    access = find_access(os.environ, kubeconfig, context, namespace)
    async with connect(access, ANSWER_S) as client:
        found = await client.list("Architecture", access.namespace)
        return sorted(body["metadata"]["name"] for body in found)
