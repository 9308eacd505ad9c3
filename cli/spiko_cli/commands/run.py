"""`spiko run FILE`: start a cluster, apply the file, send traffic, kill a pod, report, clean up."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import click

from spiko_cli.errors import Interrupted, SpikoError
from spiko_cli.kubeconfig import explain, find_kubeconfig
from spiko_cli.lint_report import find_all, render_text
from spiko_cli.manifests import read_files
from spiko_cli.running.interrupts import stop_on_interrupt
from spiko_cli.running.progress import Lines, Progress, Screen
from spiko_cli.running.report import Report, render, to_json
from spiko_cli.running.run_spec import RunOptions, RunSpec, choose_run
from spiko_cli.running.session import Session
from spiko_console import otlp
from spiko_console.receiver import Receiver
from spiko_console.store import TraceStore
from spiko_local.cluster import UpOptions, down, up
from spiko_local.errors import LocalError
from spiko_local.home import Home, find_home
from spiko_local.interrupts import uninterrupted
from spiko_operator.cluster.client import Client
from spiko_operator.errors import ClusterError as ApiError
from spiko_operator.plan.validation.rules import Severity


@dataclass(frozen=True)
class Arguments:
    """The command's arguments, by the names of click's parameters."""

    file: str
    seconds: float
    as_json: bool
    histograms: bool
    traces: Path | None
    keep: bool
    seed: int
    timeout_s: float
    nodes: Path | None
    namespace: str


@click.command(short_help="Run a file on a local cluster and report.")
@click.argument("file", type=click.Path())
@click.option(
    "-d", "--duration", "seconds", type=click.FloatRange(1, 86_400), default=10.0, show_default=True,
    metavar="SECONDS", help="How long there is traffic.",
)  # fmt: skip
@click.option(
    "--json", "as_json", is_flag=True, help="Machine-readable report; progress goes to standard error."
)
@click.option("--histograms", is_flag=True, help="Draw every distribution as well.")
@click.option(
    "--traces", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write all traces to a file, one line of OTLP JSON per batch.",
)  # fmt: skip
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
@click.option("-n", "--namespace", default="default", show_default=True, help="Namespace.")
def command(**arguments: Any) -> None:
    """Start a cluster, apply FILE, send traffic, kill one pod of its victim tier, report, clean up.

    The pod is killed at half time; Faults in FILE replace that.

    A cluster that is up already is used and stays up; the architecture is removed from it. Ctrl-C ends the
    traffic early and reports; a second one only cleans up.
    """
    run(Arguments(**arguments))


def run(arguments: Arguments) -> None:
    """Run the command.

    Raises:
        SpikoError: the file cannot be run.
    """
    as_json = arguments.as_json
    spec = _read(arguments.file)
    home = find_home(os.environ)
    progress = _choose_progress(as_json)
    if arguments.traces and spec.endpoint:
        raise SpikoError(
            f"--traces: the Architecture exports its traces to {spec.endpoint};"
            " remove spec.telemetry.otlpEndpoint to receive them here"
        )
    with ExitStack() as stack:
        sink = _open(arguments.traces, stack)
        running = home.read_state() is not None
        if running and arguments.nodes:
            raise SpikoError(
                "--nodes: a local cluster is up already and has its nodes; run `spiko down` first"
            )
        if not running:
            _up(home, arguments, progress)
            if not arguments.keep:
                stack.callback(_down, home)
        report = asyncio.run(_run(home, spec, arguments, progress, sink, running))
        click.echo(
            json.dumps(to_json(report), indent=1) if as_json else f"\n{render(report, arguments.histograms)}"
        )
    if arguments.keep:
        commands = f"  export KUBECONFIG={home.kubeconfig}\n  spiko top {spec.name}\n  spiko down"
        click.echo(f"\nstill running; next:\n{commands}", err=as_json)
    if report.interrupted:
        sys.exit(Interrupted.exit_code)


def _choose_progress(as_json: bool) -> Progress:
    if sys.stdout.isatty() and not as_json:
        return Screen()
    return Lines(lambda text: click.echo(text, err=as_json))


def _read(file: str) -> RunSpec:
    manifests = list(read_files((file,)))
    findings = find_all(manifests)
    if any(finding.severity is Severity.ERROR for _, finding in findings):
        raise SpikoError(f"{file} has errors:\n{render_text(findings, len(manifests))}")
    return choose_run(manifests, file)


def _open(path: Path | None, stack: ExitStack) -> IO[str] | None:
    try:
        return stack.enter_context(path.open("w", encoding="utf-8")) if path else None
    except OSError as error:
        raise SpikoError(f"--traces: {path}: {error.strerror}; name a writable file") from error


def _up(home: Home, arguments: Arguments, progress: Progress) -> None:
    try:
        up(home, UpOptions(nodes=arguments.nodes, timeout_s=arguments.timeout_s, join=False), progress.say)
    except LocalError as error:
        raise SpikoError(str(error)) from error


def _down(home: Home) -> None:
    """Stop the cluster; further interrupts are ignored."""
    with uninterrupted():
        down(home, False)


async def _run(
    home: Home, spec: RunSpec, arguments: Arguments, progress: Progress, sink: IO[str] | None, stays_up: bool
) -> Report:
    stop = stop_on_interrupt()
    store = TraceStore()
    receiver = Receiver(store, (lambda export: _write(sink, export)) if sink else None)
    options = RunOptions(
        arguments.seconds, arguments.namespace, arguments.seed, arguments.timeout_s, arguments.keep
    )
    try:
        async with AsyncExitStack() as stack:
            if not spec.endpoint:
                options = replace(options, endpoint=await stack.enter_async_context(receiver.listen()))
            client = await Client.connect(find_kubeconfig(os.environ, str(home.kubeconfig)))
            stack.push_async_callback(client.close)
            session = Session(client, spec, options, progress, stop)
            with progress:
                report = await session.run(store)
            if stays_up and not options.keep:
                await session.wait_pods_gone()
    except ApiError as error:
        raise explain(error) from error
    except asyncio.CancelledError as error:
        raise Interrupted("interrupted twice: no report; created resources were removed") from error
    store.close()
    return replace(report, interrupted=stop.is_set(), traces_file=str(arguments.traces or ""))


def _write(sink: IO[str], export: otlp.Request) -> None:
    sink.write(otlp.json_line(export) + "\n")
