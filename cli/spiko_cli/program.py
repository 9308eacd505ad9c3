"""The list of commands, and the one place where an error becomes a line on stderr and an exit code."""

from __future__ import annotations

import importlib
import sys

import click

COMMANDS = {
    "run": "Run a file on a local cluster: traffic, a kill, a report.",
    "up": "Start a local cluster: control plane, kubelet, operator.",
    "down": "Stop the local cluster and everything it started.",
    "status": "Say what of the local cluster runs.",
    "node": "Cut a node's power on the local cluster, and give it back.",
    "lint": "Check manifests offline: all faults at once.",
    "graph": "Nodes and edges: predicted from a file, or discovered in a cluster.",
    "top": "Rates, errors and percentiles per tier and edge, live.",
    "completion": "Print a shell's completion script.",
}


class LazyGroup(click.Group):
    """A group whose commands live in modules of their own: `spiko lint` must not import a Kubernetes client."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands, in the order of the help page."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command; it has a click command named `command`."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"spiko_cli.commands.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="spiko", prog_name="spiko")
def group() -> None:
    """Simulated architectures on Kubernetes. `kubectl spiko` is the same program."""


def program() -> None:
    """Run the group; errors of ours are one line, without a traceback."""
    from spiko_cli.errors import SpikoError

    try:
        group()
    except SpikoError as error:
        click.echo(f"spiko: {error}", err=True)
        sys.exit(error.exit_code)
