"""Credentials for one API server, from kubeconfig files or from a pod's service account."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio import config
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import kube_config

from spiko_operator.errors import ClusterError


@dataclass(frozen=True)
class Contexts:
    """The contexts of kubeconfig files.

    Args:
        kubeconfig: the files as they were given, for messages.
        files: that are not empty.
        current: the first current context; None without one.
        namespaces: of all contexts, by their names; empty for a context without one.
    """

    kubeconfig: str
    files: list[str]
    current: str | None
    namespaces: dict[str, str]

    def choose(self, context: str | None) -> str:
        """Return the name of a context that exists.

        Args:
            context: None for the current one.

        Raises:
            ClusterError: there is no such context, or no current one.
        """
        chosen = context or self.current
        if chosen is None or chosen not in self.namespaces:
            what = f"no context {chosen!r}" if chosen else "no current context"
            existing = ", ".join(self.namespaces) or "none"
            raise ClusterError(f"{what} in {self.kubeconfig}; existing contexts: {existing}")
        return chosen


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
        contexts = read_contexts(kubeconfig)
        with _failures() as failures:
            await config.load_kube_config(
                config_file=os.pathsep.join(contexts.files),
                context=contexts.choose(context),
                client_configuration=settings,
            )
        if failures:
            raise ClusterError(f"no credentials for a cluster in {kubeconfig}: {failures[0]}")
    except (config.ConfigException, OSError, LookupError, TypeError, ValueError, AttributeError) as error:
        where = kubeconfig or "the service account"
        raise ClusterError(
            f"no credentials for a cluster in {where}: {str(error) or type(error).__name__}"
        ) from error


class _Collector(logging.Handler):
    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(" ".join(record.getMessage().split()))


@contextmanager
def _failures() -> Iterator[list[str]]:
    """Yield the errors that the `kubernetes` package logs.

    If the command of a user fails, it logs that and goes on without credentials.
    """
    logger, collector = logging.getLogger(kube_config.__name__), _Collector(logging.ERROR)
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(collector)
    try:
        yield collector.messages
    finally:
        logger.removeHandler(collector)
        logger.propagate = propagate


def read_contexts(kubeconfig: str) -> Contexts:
    """Return the contexts of kubeconfig files.

    The `kubernetes` package merges lists as kubectl does, but uses the last current context and rejects empty
    files.

    Args:
        kubeconfig: one file, or several separated by `:` as in KUBECONFIG.

    Raises:
        ClusterError: there is no file that is not empty, or one cannot be read.
    """
    found: list[str] = []
    namespaces: dict[str, str] = {}
    current: str | None = None
    for name in filter(None, kubeconfig.split(os.pathsep)):
        path = Path(name).expanduser()
        if not path.exists() and os.pathsep in kubeconfig:
            continue  # as kubectl does: only a single file must exist
        document = _read(path)
        if document:
            found.append(str(path))
            current = current or document.get("current-context") or None
            for context, namespace in _read_namespaces(path, document):
                namespaces.setdefault(context, namespace)
    if not found:
        raise ClusterError(f"no credentials for a cluster in {kubeconfig}: the file is empty")
    return Contexts(kubeconfig, found, current, namespaces)


def _read_namespaces(path: Path, document: dict[str, Any]) -> list[tuple[str, str]]:
    try:
        return [
            (str(entry["name"]), str((entry.get("context") or {}).get("namespace") or ""))
            for entry in document.get("contexts") or ()
        ]
    except (LookupError, TypeError, AttributeError) as error:
        raise ClusterError(f"no credentials for a cluster in {path}: not a kubeconfig") from error


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
