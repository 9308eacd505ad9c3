"""The list of commands, and the one place where an error becomes a line on stderr and an exit code."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from typing import NoReturn

import click

from spiko_cli.errors import Interrupted, SpikoError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
EXIT_PIPE = 1  # click's, when the reader of the output has closed it
COMMANDS = {
    "run": "Run a file on a local cluster or yours: traffic, a kill, a report.",
    "up": "Start a local cluster: control plane, kubelet, operator.",
    "down": "Stop the local cluster and everything it started.",
    "status": "Show the state of the local cluster.",
    "node": "Cut or restore a node's power on the local cluster.",
    "lint": "Check manifests offline and report all findings.",
    "graph": "Nodes and edges: predicted from a file, or discovered in a cluster.",
    "top": "Rates, errors and percentiles per tier and edge, live.",
    "completion": "Print a shell's completion script.",
}


class LazyGroup(click.Group):
    """A group that imports a command's module when it is called: `spiko lint` needs no Kubernetes client."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order of the help page."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command's module and return its `command`."""
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
    """Run the group and exit.

    An error for the user is one line without a traceback; Ctrl-C always exits with 130.
    """
    for number in SIGNALS:  # SIGTERM and SIGHUP must clean up as Ctrl-C does
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    try:
        code = _invoke()
    except KeyboardInterrupt:  # a second one, while the first was being reported
        code = Interrupted.exit_code
    _exit(code)


def _invoke() -> int:
    """Run the group and return the exit code."""
    from spiko_local.errors import LocalError

    try:
        code: int | None = group.main(standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except ModuleNotFoundError as error:
        return _report(f"the module {error.name} is missing; install it with: pip install 'spiko[local]'", 1)
    except SystemExit as error:  # a command's own exit code
        return error.code if isinstance(error.code, int) else 0
    except (SpikoError, LocalError) as error:
        return _report(str(error), getattr(error, "exit_code", 1))
    except (click.Abort, KeyboardInterrupt):
        return _report("interrupted", Interrupted.exit_code)
    except BrokenPipeError:
        return EXIT_PIPE
    except OSError as error:
        return _report(str(error), 1)
    return code or 0


def _report(text: str, code: int) -> int:
    with contextlib.suppress(OSError):  # stderr may be closed
        click.echo(f"spiko: {text}", err=True)
    return code


def _exit(code: int) -> NoReturn:
    """Exit with this code, whatever signals come now and even if stdout is closed."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)
