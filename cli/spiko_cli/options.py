"""Options that every command with a cluster has, as kubectl spells them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class ClusterOptions:
    """Which cluster and namespace a command is for, and how it reaches eurekas.

    Args:
        namespace: of the Architecture; empty for that of the context.
        context: of the kubeconfig; None for the current one.
        kubeconfig: file; None for the default.
        reach: direct or proxy; None chooses by the address of each eureka.
    """

    namespace: str
    context: str | None
    kubeconfig: str | None
    reach: Any


def cluster_options(function: F) -> Callable[..., Any]:
    """Add -n, --context, --kubeconfig and --reach; the command gets them as the argument `cluster`."""

    @functools.wraps(function)
    def command(
        *args: Any, namespace: str, context: str | None, kubeconfig: str | None, reach: Any, **rest: Any
    ) -> Any:
        return function(*args, cluster=ClusterOptions(namespace, context, kubeconfig, reach), **rest)

    for option in (
        click.option(
            "--reach",
            type=click.Choice(["direct", "proxy"]),
            help="How to reach eurekas; chosen by their address if left out.",
        ),
        click.option("--kubeconfig", help="Kubeconfig file; by default that of KUBECONFIG."),
        click.option("--context", help="Context of the kubeconfig; by default the current one."),
        click.option("-n", "--namespace", default="", help="Namespace; by default that of the context."),
    ):
        command = option(command)
    return command


def local_only(function: F) -> Callable[..., Any]:
    """Reject the options that select a cluster with a message: the command is for the local cluster only."""

    def reject(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
        if value is not None:
            raise click.UsageError(
                f"{parameter.opts[0]}: `{context.command_path}` is for the local cluster only;"
                " use kubectl for others",
                context,
            )

    command: Callable[..., Any] = function
    for names in (("--kubeconfig",), ("--context",), ("-n", "--namespace")):
        command = click.option(*names, hidden=True, expose_value=False, callback=reject)(command)
    return command
