"""`spiko run FILE`: up, apply, watch, a kill at half time, report, down."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO

import click

from spiko_cli.commands.lint import find_all, render_text
from spiko_cli.errors import Interrupted, SpikoError
from spiko_cli.kubeconfig import explain, find_kubeconfig
from spiko_cli.manifests import read_files
from spiko_cli.running.progress import Lines, Progress, Screen
from spiko_cli.running.report import Outcome, render, to_json
from spiko_cli.running.run_spec import Wish, choose_wish
from spiko_cli.running.session import Options, Session, until_gone
from spiko_console import otlp
from spiko_console.receiver import Receiver
from spiko_console.store import TraceStore
from spiko_local.cluster import UpOptions, down, up
from spiko_local.errors import LocalError
from spiko_local.home import Home, find_home
from spiko_local.interrupts import uninterrupted
from spiko_operator.cluster.client import Client
from spiko_operator.errors import ClusterError as ApiError
from spiko_operator.plan.findings import Severity


@click.command(short_help="Run a file on a local cluster and report.")
@click.argument("file", type=click.Path())
@click.option(
    "-d",
    "--duration",
    "seconds",
    type=click.FloatRange(1, 86_400),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long there is traffic.",
)
@click.option("--json", "as_json", is_flag=True, help="The report for programs; progress goes to standard error.")
@click.option("--histograms", is_flag=True, help="Draw every distribution as well.")
@click.option(
    "--traces",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write all traces to a file, a line of OTLP JSON for each batch.",
)
@click.option("--keep", is_flag=True, help="Leave cluster and architecture up.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=1, show_default=True, help="Draws the victim.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(1, 3600),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long it may take to become ready.",
)
@click.option(
    "--nodes",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A kind configuration for the cluster that is started; three workers in three zones by default.",
)
@click.option("-n", "--namespace", default="default", show_default=True, help="Namespace.")
def command(
    file: str, seconds: float, as_json: bool, histograms: bool, traces: Path | None, keep: bool, seed: int,
    timeout_s: float, nodes: Path | None, namespace: str,
) -> None:  # fmt: skip
    """Bring a local cluster up, apply FILE, watch its traffic, kill one pod of its victim tier at half time, report, and take everything down.

    A cluster that is up already is used and stays up; the architecture is removed from it. Faults in FILE take the place of the kill.
    Ctrl-C ends the traffic early and reports; a second one only cleans up.
    """  # fmt: skip
    wish = _read(file)
    home = find_home(os.environ)
    progress: Progress = (
        Screen() if sys.stdout.isatty() and not as_json else Lines(lambda text: click.echo(text, err=as_json))
    )
    if traces and wish.endpoint:
        raise SpikoError(
            f"--traces: the Architecture sends its traces to {wish.endpoint}; remove spec.telemetry.otlpEndpoint to keep them here"
        )
    with ExitStack() as stack:
        sink = _open(traces, stack)
        ours = home.read_state() is None
        if ours:
            _up(home, nodes, timeout_s, progress)
            if not keep:
                stack.callback(_down, home)
        elif nodes:
            raise SpikoError("--nodes: a local cluster is up already and has its nodes; `spiko down` first")
        outcome = asyncio.run(
            _run(home, wish, Options(seconds, namespace, seed, timeout_s, keep, ""), progress, sink, not ours)
        )
        click.echo(json.dumps(to_json(outcome), indent=1) if as_json else f"\n{render(outcome, histograms)}")
    if keep:
        click.echo(
            f"\nit goes on running; now:\n  export KUBECONFIG={home.kubeconfig}\n  spiko top {wish.name}\n  spiko down",
            err=as_json,
        )
    if outcome.interrupted:
        sys.exit(Interrupted.exit_code)


def _read(file: str) -> Wish:
    manifests = list(read_files((file,)))
    findings = find_all(manifests)
    if any(finding.severity is Severity.ERROR for _, finding in findings):
        raise SpikoError(f"{file} cannot be run:\n{render_text(findings, len(manifests))}")
    return choose_wish(manifests, file)


def _open(path: Path | None, stack: ExitStack) -> IO[str] | None:
    try:
        return stack.enter_context(path.open("w", encoding="utf-8")) if path else None
    except OSError as error:
        raise SpikoError(f"--traces: {path}: {error.strerror}; name a file that can be written") from error


def _up(home: Home, nodes: Path | None, timeout_s: float, progress: Progress) -> None:
    try:
        up(home, UpOptions(nodes=nodes, timeout_s=timeout_s), progress.say)
    except LocalError as error:
        raise SpikoError(str(error)) from error
    except KeyboardInterrupt:
        _down(home)
        raise


def _down(home: Home) -> None:
    """Take the cluster down, whoever is in a hurry by now."""
    with uninterrupted():
        down(home, False)


async def _run(
    home: Home, wish: Wish, options: Options, progress: Progress, sink: IO[str] | None, leave: bool
) -> Outcome:
    stop = _listen_for_stop()
    store = TraceStore()
    receiver = Receiver(store, (lambda export: _write(sink, export)) if sink else None)
    try:
        async with AsyncExitStack() as stack:
            if not wish.endpoint:
                options = replace(options, endpoint=await stack.enter_async_context(receiver.listen()))
            client = await Client.connect(find_kubeconfig(os.environ, str(home.kubeconfig)))
            stack.push_async_callback(client.close)
            with progress:
                outcome = await Session(client, wish, options, progress, stop).run(store)
            if leave and not options.keep:
                await until_gone(client, wish.name, options.namespace, stop)
    except ApiError as error:
        raise explain(error) from error
    except asyncio.CancelledError as error:
        raise Interrupted("interrupted twice: no report; what was made is removed") from error
    store.close()
    return replace(outcome, interrupted=stop.is_set())


def _listen_for_stop() -> asyncio.Event:
    """The first signal sets the event, the second cancels the task; more change nothing: it is cleaning up, and that is bounded."""
    stop = asyncio.Event()
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    told = 0

    def interrupt() -> None:
        nonlocal told
        told += 1
        stop.set()
        if told == 2:
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, interrupt)
    return stop


def _write(sink: IO[str], export: otlp.Request) -> None:
    sink.write(otlp.json_line(export) + "\n")
