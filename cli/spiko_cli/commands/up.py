"""`spiko up`: start a local cluster."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click

from spiko_cli.errors import SpikoError
from spiko_cli.options import local_only
from spiko_local.cluster import UpOptions, up
from spiko_local.errors import LocalError
from spiko_local.home import find_home

DEFAULT_NODES = Path("kind-config.yaml")


@click.command(short_help="Start a local cluster.")
@click.option(
    "--control-plane", "binaries", type=click.Path(path_type=Path), metavar="DIR",
    help="Run a real control plane: a folder with etcd, kube-apiserver, kube-controller-manager and"
    " kube-scheduler.",
)  # fmt: skip
@click.option(
    "--nodes", type=click.Path(path_type=Path), metavar="FILE",
    help="A kind configuration; by default ./kind-config.yaml, else three workers in three zones.",
)  # fmt: skip
@click.option(
    "--without-operator", is_flag=True, help="Do not run the operator; the CRDs are installed all the same."
)
@click.option(
    "--timeout", type=click.FloatRange(1, 3600), default=60.0, show_default=True, metavar="SECONDS",
    help="How long the whole start may take.",
)  # fmt: skip
@local_only
def command(binaries: Path | None, nodes: Path | None, without_operator: bool, timeout: float) -> None:
    """Start a local cluster: an API server, a kubelet that runs pods as processes, and the operator.

    Its state is in $SPIKO_HOME (~/.local/state/spiko), with a kubeconfig of its own; yours is not changed.
    A cluster of your own needs no `spiko up`: `spiko run` uses the one that KUBECONFIG names.
    """
    if nodes is None and DEFAULT_NODES.exists():
        nodes = DEFAULT_NODES
    home = find_home(os.environ)
    folder = binaries.expanduser() if binaries else None
    try:
        up(home, UpOptions(folder, nodes, not without_operator, timeout), click.echo)
    except LocalError as error:
        raise SpikoError(str(error)) from error
    kubeconfig = shlex.quote(str(home.kubeconfig))
    commands = (f"export KUBECONFIG={kubeconfig}", "kubectl get nodes", "kubectl apply -f examples/lamp.yaml")
    click.echo("\n  ".join(("up; next:", *commands)))
