"""`spiko run FILE`: apply the file, send traffic, kill a pod, report, clean up; start a cluster if needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from spiko_cli.options import cluster_options


@click.command(short_help="Run a file on a cluster and report.")
@click.argument("file", type=click.Path())
@click.option(
    "-d", "--duration", "seconds", type=click.FloatRange(1, 86_400), default=10.0, show_default=True,
    metavar="SECONDS", help="How long there is traffic.",
)  # fmt: skip
@click.option(
    "--json", "as_json", is_flag=True, help="Machine-readable report; progress goes to standard error."
)
@click.option("--histograms", is_flag=True, help="Add the distribution of every latency.")
@click.option(
    "--traces", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write all traces to a file, one line of OTLP JSON per batch.",
)  # fmt: skip
@click.option(
    "--otlp-listen", metavar="ADDRESS[:PORT]",
    help="IP address of this machine at which traces are received, and which pods can reach; by default"
    " 127.0.0.1, which only pods of a local cluster reach.",
)  # fmt: skip
@click.option("--no-traces", is_flag=True, help="Receive no traces.")
@click.option("--keep", is_flag=True, help="Leave cluster and architecture up.")
@click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), default=1, show_default=True, help="Draws the victim."
)
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(1, 3600), default=60.0, show_default=True,
    metavar="SECONDS", help="How long it may take until the architecture is ready.",
)  # fmt: skip
@click.option(
    "--nodes", type=click.Path(path_type=Path), metavar="FILE",
    help="A kind configuration for a cluster that is started; by default three workers in three zones.",
)  # fmt: skip
@cluster_options
def command(**arguments: Any) -> None:
    """Apply FILE, send traffic, kill one pod of its victim tier, report, clean up.

    The pod is killed at half time; Faults in FILE replace that.

    The cluster is the one that --kubeconfig, --context or KUBECONFIG name, with Spiko's operator installed;
    without these, the local cluster. A local cluster that is not up is started and stopped again.

    A cluster that is up already stays up, and everything that this run has created is removed from it.
    Ctrl-C ends the traffic early and reports; a second one only cleans up.
    """
    # With a Kubernetes client, which --help does not need.
    from spiko_cli.running.arguments import Arguments
    from spiko_cli.running.runner import run

    run(Arguments(**arguments))
