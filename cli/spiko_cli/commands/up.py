"""`spiko up`: start a local cluster."""

from __future__ import annotations

import os
from pathlib import Path

import click

from spiko_cli.errors import SpikoError
from spiko_local.cluster import up
from spiko_local.errors import LocalError
from spiko_local.home import find_home


@click.command(short_help="Start a local cluster.")
@click.option(
    "--control-plane",
    "binaries",
    type=click.Path(path_type=Path),
    help="Folder with etcd, kube-apiserver, kube-controller-manager and kube-scheduler.",
)
@click.option(
    "--nodes",
    type=click.Path(path_type=Path),
    help="A kind configuration; by default ./kind-config.yaml, else three workers in three zones.",
)
@click.option("--without-operator", is_flag=True, help="Run no operator.")
@click.option("--timeout", default=90.0, show_default=True, help="Seconds to wait for everything to be ready.")
def command(binaries: Path | None, nodes: Path | None, without_operator: bool, timeout: float) -> None:
    """Start a local cluster: a real control plane, a kubelet that runs pods as processes, and the operator."""
    if binaries is None:
        raise SpikoError(
            "--control-plane is needed: the folder with the control plane's binaries; `python tests/cluster/build.py` builds them"
            " and prints it"
        )
    if nodes is None and Path("kind-config.yaml").exists():
        nodes = Path("kind-config.yaml")
    home = find_home(os.environ)
    try:
        up(home, binaries, nodes, not without_operator, timeout, click.echo)
    except LocalError as error:
        raise SpikoError(str(error)) from error
    click.echo(
        f"up; now:\n  export KUBECONFIG={home.kubeconfig}\n  kubectl get nodes\n  kubectl apply -f examples/lamp.yaml"
    )
