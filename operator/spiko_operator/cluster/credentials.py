"""Credentials for one API server, from kubeconfig files or from a pod's service account."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio import config
from kubernetes.aio.client import Configuration

from spiko_operator.errors import ClusterError


async def read_credentials(settings: Configuration, kubeconfig: str | None, context: str | None) -> None:
    """Read the current credentials into the configuration of the `kubernetes` package.

    Args:
        settings: of the client.
        kubeconfig: one file, or several separated by `:` as in KUBECONFIG; None for the service account.
        context: of the kubeconfig; None for its current context.

    Raises:
        ClusterError: there are no credentials, or they cannot be read.
    """
    try:
        if kubeconfig is None:
            config.load_incluster_config(client_configuration=settings)
            return
        files, current, known = _read_files(kubeconfig)
        chosen = context or current
        if chosen not in known:
            what = f"no context {chosen!r}" if chosen else "no current context"
            raise ClusterError(f"{what} in {kubeconfig}; existing contexts: {', '.join(known) or 'none'}")
        await config.load_kube_config(
            config_file=os.pathsep.join(files), context=chosen, client_configuration=settings
        )
    except (config.ConfigException, OSError, LookupError, TypeError, ValueError, AttributeError) as error:
        where = kubeconfig or "the service account"
        raise ClusterError(
            f"no credentials for a cluster in {where}: {str(error) or type(error).__name__}"
        ) from error


def _read_files(kubeconfig: str) -> tuple[list[str], str | None, list[str]]:
    """Return the files that are not empty, the first current context, and the names of all contexts.

    The `kubernetes` package merges lists as kubectl does, but uses the last current context and rejects empty
    files.
    """
    found: list[str] = []
    known: list[str] = []
    current: str | None = None
    for name in filter(None, kubeconfig.split(os.pathsep)):
        path = Path(name).expanduser()
        if not path.exists() and os.pathsep in kubeconfig:
            continue  # as kubectl does: only a single file must exist
        document = _read(path)
        if document:
            found.append(str(path))
            current = current or document.get("current-context") or None
            known += [
                str(entry["name"]) for entry in document.get("contexts") or () if entry["name"] not in known
            ]
    if not found:
        raise ClusterError(f"no credentials for a cluster in {kubeconfig}: the file is empty")
    return found, current, known


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, ValueError) as error:
        raise ClusterError(f"no credentials for a cluster in {path}: not valid YAML") from error
    except OSError as error:
        raise ClusterError(f"no credentials for a cluster in {path}: {error.strerror}") from error
    if document is not None and not isinstance(document, dict):
        raise ClusterError(f"no credentials for a cluster in {path}: not a kubeconfig")
    return document or {}
