"""Chooses the cluster that the command line talks to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from spiko_cli.errors import ClusterError
from spiko_local.home import Home, find_home
from spiko_operator.errors import ClusterError as ApiError
from spiko_operator.errors import Refused


def find_kubeconfig(environ: Mapping[str, str], given: str | None) -> str:
    """Choose a kubeconfig: --kubeconfig, KUBECONFIG, the running local cluster's, the user's; in this order.

    Args:
        environ: with KUBECONFIG, and variables that select the local cluster's home.
        given: value of --kubeconfig.

    Returns:
        A file, or all files of KUBECONFIG, which `Client` reads as kubectl does.

    Raises:
        ClusterError: no kubeconfig was found, or a named file does not exist.
    """
    home = find_home(environ)
    for where, named in (
        ("--kubeconfig", [given]),
        ("KUBECONFIG", environ.get("KUBECONFIG", "").split(os.pathsep)),
    ):
        files = [file for file in named if file]
        if files and not any(Path(file).expanduser().exists() for file in files):
            raise ClusterError(f"{where}: {', '.join(files)}: no such file; {_hint(home)}")
        if files:
            return os.pathsep.join(files)
    local = home.kubeconfig if home.read_state() is not None else None
    for candidate in (local, Path.home() / ".kube" / "config"):
        if candidate is not None and candidate.exists():
            return str(candidate)
    raise ClusterError("no cluster: no --kubeconfig, no KUBECONFIG, no local cluster; `spiko up` starts one")


def explain(error: ApiError) -> ClusterError:
    """Return the operator's error as one of the command line; without an answer, with what to type next."""
    return ClusterError(str(error) if isinstance(error, Refused) else f"{error}; check `spiko status`")


def _hint(home: Home) -> str:
    if home.read_state() is not None:
        return f"the local cluster's is {home.kubeconfig}"
    return "no local cluster is up; `spiko up` starts one"
