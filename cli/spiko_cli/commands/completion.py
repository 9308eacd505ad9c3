"""`spiko completion`: what a shell needs to complete our commands."""

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
    made = get_completion_class(shell)
    if made is None:
        raise SpikoError(f"completion: {shell} is unknown; there are {', '.join(SHELLS)}")
    click.echo(made(group, {}, "spiko", "_SPIKO_COMPLETE").source())
