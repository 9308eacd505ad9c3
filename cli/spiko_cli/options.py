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
        namespace: of the Architecture.
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
        click.option("--kubeconfig", help="Kubeconfig file."),
        click.option("--context", help="Context of the kubeconfig."),
        click.option("-n", "--namespace", default="default", show_default=True, help="Namespace."),
    ):
        command = option(command)
    return command
