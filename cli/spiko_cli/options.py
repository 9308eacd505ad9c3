"""Options that every command with a cluster has, as kubectl spells them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def cluster_options(function: F) -> F:
    """Add -n, --context, --kubeconfig and --reach."""
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
        function = option(function)
    return function
