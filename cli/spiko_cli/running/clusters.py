"""The cluster of a run: the one that options or KUBECONFIG name, else the local one, started if needed."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from spiko_cli.errors import SpikoError
from spiko_cli.kubeconfig import DEFAULT_NAMESPACE, Access, find_access, is_cluster_named
from spiko_cli.running.arguments import Arguments
from spiko_cli.running.progress import Progress
from spiko_local.cluster import UpOptions, down, up
from spiko_local.errors import LocalError
from spiko_local.home import Home, find_home
from spiko_local.interrupts import uninterrupted


@dataclass(frozen=True)
class RunCluster:
    """The cluster of a run.

    Args:
        access: how to reach it.
        named: whether options or KUBECONFIG name it.
        stays_up: whether it was up before the run.
    """

    access: Access
    named: bool
    stays_up: bool

    def commands(self, name: str, variable: str) -> list[str]:
        """Return what to type for an Architecture that is kept.

        Args:
            name: of the Architecture.
            variable: KUBECONFIG.
        """
        access = self.access
        if not self.named:
            where = [] if access.namespace == DEFAULT_NAMESPACE else ["-n", access.namespace]
            first = f"export KUBECONFIG={shlex.quote(str(access.kubeconfig))}"
            return [first, shlex.join(["spiko", "top", name, *where]), "spiko down"]
        where = ["-n", access.namespace, "--context", access.context]
        where += ["--kubeconfig", access.kubeconfig] if access.kubeconfig not in (None, variable) else []
        return [
            shlex.join(["spiko", "top", name, *where]),
            shlex.join(["kubectl", "delete", "arch", name, *where]),
        ]


@contextmanager
def open_cluster(arguments: Arguments, progress: Progress) -> Iterator[RunCluster]:
    """Yield the cluster of a run; one that is started here is stopped afterwards, unless it is kept.

    Raises:
        SpikoError: the named cluster was not found, or a local cluster cannot be started.
    """
    home, options = find_home(os.environ), arguments.cluster
    if is_cluster_named(os.environ, options.kubeconfig, options.context):
        if arguments.nodes:
            raise SpikoError(
                "--nodes: only a local cluster that is started has these nodes;"
                " leave out --nodes, or --kubeconfig, --context and KUBECONFIG"
            )
        access = find_access(os.environ, options.kubeconfig, options.context, options.namespace)
        yield RunCluster(access, named=True, stays_up=True)
        return
    running = home.read_state() is not None
    if running and arguments.nodes:
        raise SpikoError("--nodes: a local cluster is up already and has its nodes; run `spiko down` first")
    if not running:
        _up(home, arguments, progress)
    try:
        access = find_access(os.environ, str(home.kubeconfig), None, options.namespace)
        yield RunCluster(access, named=False, stays_up=running)
    finally:
        if not running and not arguments.keep:
            _down(home)


def _up(home: Home, arguments: Arguments, progress: Progress) -> None:
    try:
        up(home, UpOptions(nodes=arguments.nodes, timeout_s=arguments.timeout_s, join=False), progress.say)
    except LocalError as error:
        raise SpikoError(str(error)) from error
    except KeyboardInterrupt:
        _down(home)
        raise


def _down(home: Home) -> None:
    """Stop the cluster; further interrupts are ignored."""
    with uninterrupted():
        down(home, False)
