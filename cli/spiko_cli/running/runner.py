"""Runs a file on a local cluster: starts one unless it is up, receives traces, and prints the report."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

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
from spiko_operator.plan.validation.rule import Severity


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
            json.dumps(to_json(report, arguments.histograms), indent=1)
            if as_json
            else f"\n{render(report, arguments.histograms)}"
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
    except KeyboardInterrupt:
        _down(home)
        raise


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
