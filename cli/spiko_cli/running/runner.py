"""Runs a file on a cluster: opens the cluster, receives traces, and prints the report."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO

import click

from spiko_cli.connection import connect
from spiko_cli.errors import Interrupted, SpikoError
from spiko_cli.lint_report import find_all, render_text
from spiko_cli.manifests import read_files
from spiko_cli.running.arguments import Arguments
from spiko_cli.running.clusters import RunCluster, open_cluster
from spiko_cli.running.interrupts import stop_on_interrupt
from spiko_cli.running.preflight import check_cluster, explain_missing_operator
from spiko_cli.running.progress import Lines, Progress, Screen
from spiko_cli.running.report import Report, render, to_json
from spiko_cli.running.run_spec import RunOptions, RunSpec, choose_run, faults_of
from spiko_cli.running.session import Session
from spiko_console import otlp
from spiko_console.receiver import Receiver
from spiko_console.store import TraceStore
from spiko_operator.plan.validation.rule import Severity


def run(arguments: Arguments) -> None:
    """Run the command.

    Raises:
        SpikoError: the file cannot be run.
    """
    as_json = arguments.as_json
    spec = _read(arguments.file)
    arguments.check(spec.endpoint)
    progress = _choose_progress(as_json)
    with ExitStack() as stack:
        sink = _open(arguments.traces, stack)
        cluster = stack.enter_context(open_cluster(arguments, progress))
        report = asyncio.run(_run(cluster, spec, arguments, progress, sink))
        click.echo(
            json.dumps(to_json(report, arguments.histograms), indent=1)
            if as_json
            else f"\n{render(report, arguments.histograms)}"
        )
    if arguments.keep:
        lines = "".join(
            f"\n  {line}" for line in cluster.commands(spec.name, os.environ.get("KUBECONFIG", ""))
        )
        click.echo(f"\nstill running; next:{lines}", err=as_json)
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


async def _run(
    cluster: RunCluster, spec: RunSpec, arguments: Arguments, progress: Progress, sink: IO[str] | None
) -> Report:
    stop = stop_on_interrupt()
    store = TraceStore()
    receiver = Receiver(store, (lambda export: _write(sink, export)) if sink else None)
    options = _options(cluster, arguments)
    try:
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(connect(cluster.access))
            if cluster.named:
                where = f'({client.server}), namespace "{options.namespace}"'
                progress.say(f"using {cluster.access} {where}")
            # Pods of a local cluster have loopback addresses, which are reached directly.
            proxy = options.reach == "proxy" or not (options.reach or cluster.access.local)
            await check_cluster(client, options.namespace, bool(faults_of(spec, 0)), proxy)
            if not cluster.access.local and (warning := await explain_missing_operator(client)):
                progress.say(warning)
            if not spec.endpoint and not arguments.no_traces:
                options = replace(options, endpoint=await _listen(receiver, arguments, stack))
            session = Session(client, spec, options, progress, stop)
            with progress:
                report = await session.run(store)
            if cluster.stays_up and not options.keep:
                await session.wait_pods_gone()
    except asyncio.CancelledError as error:
        raise Interrupted("interrupted twice: no report; created resources were removed") from error
    store.close()
    return replace(report, interrupted=stop.is_set(), traces_file=str(arguments.traces or ""))


def _options(cluster: RunCluster, arguments: Arguments) -> RunOptions:
    return RunOptions(
        seconds=arguments.seconds,
        namespace=cluster.access.namespace,
        seed=arguments.seed,
        timeout_s=arguments.timeout_s,
        keep=arguments.keep,
        reach=arguments.cluster.reach,
    )


async def _listen(receiver: Receiver, arguments: Arguments, stack: AsyncExitStack) -> str:
    """Start the receiver and return its endpoint."""
    address, port = arguments.listen
    try:
        return await stack.enter_async_context(receiver.listen(address, port))
    except OSError as error:
        raise SpikoError(
            f"--otlp-listen: {address}: {error.strerror or error}; name an address of this machine and a free"
            " port"
        ) from error


def _write(sink: IO[str], export: otlp.Request) -> None:
    sink.write(otlp.json_line(export) + "\n")
