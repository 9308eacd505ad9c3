"""`spiko completion`: print a shell's completion script."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from spiko_cli.errors import SpikoError
from spiko_cli.program import group

SHELLS = ("bash", "fish", "zsh")


@click.command(short_help="Print a shell's completion script.")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the completion script of SHELL, to be sourced: `source <(spiko completion bash)`.

    `kubectl spiko` is completed wherever kubectl is: `source <(kubectl completion bash)`.
    """
    completion = get_completion_class(shell)
    if completion is None:
        raise SpikoError(f"shell {shell!r}: must be one of {', '.join(SHELLS)}")
    click.echo(completion(group, {}, "spiko", "_SPIKO_COMPLETE").source())
