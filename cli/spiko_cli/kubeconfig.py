"""Chooses the cluster and the namespace that the command line uses, as kubectl does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spiko_cli.errors import ClusterError
from spiko_local.home import Home, find_home
from spiko_operator.cluster.credentials import Contexts, read_contexts
from spiko_operator.errors import ClusterError as ApiError

DEFAULT_NAMESPACE = "default"
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True)
class Access:
    """A cluster, and a namespace of it.

    Args:
        kubeconfig: one or several files, as in KUBECONFIG; None for the pod's service account.
        context: of the kubeconfig; empty for the service account.
        namespace: as given, else that of the context, else `default`.
        local: whether it is a local cluster.
    """

    kubeconfig: str | None
    context: str
    namespace: str
    local: bool = False

    def __str__(self) -> str:
        """Return its name for messages."""
        return f'context "{self.context}"' if self.context else "the service account of this pod"


def find_access(
    environ: Mapping[str, str],
    kubeconfig: str | None,
    context: str | None,
    namespace: str,
    account: Path = SERVICE_ACCOUNT,
) -> Access:
    """Return the cluster and the namespace that options and environment select.

    Args:
        environ: with KUBECONFIG, and variables that select the local cluster's home.
        kubeconfig: value of --kubeconfig.
        context: value of --context; None for the current one.
        namespace: value of --namespace; empty for that of the context.
        account: folder of the pod's service account.

    Raises:
        ClusterError: no kubeconfig was found, the file cannot be read, or it lacks the context.
    """
    files = find_kubeconfig(environ, kubeconfig, context, account)
    if files is None:
        if context:
            text = f"--context {context}: no kubeconfig was found, only the service account of this pod"
            raise ClusterError(f"{text}; name a file with --kubeconfig")
        return Access(None, "", namespace or _account_namespace(account))
    contexts = _read(files)
    try:
        chosen = contexts.choose(context)
    except ApiError as error:
        raise ClusterError(f"{error}; name another with --context or --kubeconfig") from error
    wanted = namespace or contexts.namespaces[chosen] or DEFAULT_NAMESPACE
    return Access(files, chosen, wanted, _is_local(environ, files))


def find_kubeconfig(
    environ: Mapping[str, str],
    given: str | None,
    context: str | None = None,
    account: Path = SERVICE_ACCOUNT,
) -> str | None:
    """Choose a kubeconfig: --kubeconfig, KUBECONFIG, the running local cluster's, the user's; in this order.

    Args:
        environ: with KUBECONFIG, and variables that select the local cluster's home.
        given: value of --kubeconfig.
        context: value of --context. If no file is named, the first file that has this context is chosen.
        account: folder of the pod's service account.

    Returns:
        A file, or all files of KUBECONFIG, which `Client` reads as kubectl does. None without any, if a
        service account gives access to the cluster of this pod.

    Raises:
        ClusterError: no kubeconfig was found, or a named file does not exist.
    """
    home = find_home(environ)
    for where, files in (("--kubeconfig", [given] if given else []), ("KUBECONFIG", _files(environ))):
        if files and not any(Path(file).expanduser().exists() for file in files):
            raise ClusterError(f"{where}: {', '.join(files)}: no such file; {_hint(home)}")
        if files:
            return os.pathsep.join(files)
    local = home.kubeconfig if home.read_state() is not None else None
    paths = (local, Path.home() / ".kube" / "config")
    candidates = [str(path) for path in paths if path is not None and path.exists()]
    for file in candidates:
        if not context or context in _read(file).namespaces:
            return file
    if candidates:
        return candidates[0]
    if environ.get("KUBERNETES_SERVICE_HOST") and (account / "token").exists():
        return None
    raise ClusterError("no cluster: no --kubeconfig, no KUBECONFIG, no local cluster; `spiko up` starts one")


def is_cluster_named(environ: Mapping[str, str], kubeconfig: str | None, context: str | None) -> bool:
    """Return whether options or KUBECONFIG name a cluster other than the running local cluster.

    Args:
        environ: with KUBECONFIG, and variables that select the local cluster's home.
        kubeconfig: value of --kubeconfig.
        context: value of --context.
    """
    if kubeconfig or context:
        return True
    local = find_home(environ).kubeconfig
    return any(Path(file).expanduser().absolute() != local for file in _files(environ))


def _files(environ: Mapping[str, str]) -> list[str]:
    return [file for file in environ.get("KUBECONFIG", "").split(os.pathsep) if file]


def _is_local(environ: Mapping[str, str], files: str) -> bool:
    """Return whether a kubeconfig is that of a local cluster: of this home, or of another one that is up."""
    path = Path(files).expanduser().absolute()
    home = Home(path.parent)
    return path == find_home(environ).kubeconfig or (
        path == home.kubeconfig and home.read_state() is not None
    )


def _read(files: str) -> Contexts:
    try:
        return read_contexts(files)
    except ApiError as error:
        raise ClusterError(f"{error}; name another with --context or --kubeconfig") from error


def _account_namespace(account: Path) -> str:
    try:
        return (account / "namespace").read_text().strip() or DEFAULT_NAMESPACE
    except OSError:
        return DEFAULT_NAMESPACE


def _hint(home: Home) -> str:
    if home.read_state() is not None:
        return f"the local cluster's is {home.kubeconfig}"
    return "no local cluster is up; `spiko up` starts one"
