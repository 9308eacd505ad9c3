"""The settings of the operator, from environment variables that are read once, at start."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal

from spiko_nanoservice.contract.handshake import MOST_EPOCH
from spiko_operator.errors import SettingsError
from spiko_operator.plan.workloads import IMAGE_REPOSITORY

SERVICE_ACCOUNT_NAMESPACE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
Reach = Literal["direct", "proxy"]


@dataclass(frozen=True)
class Settings:
    """All settings.

    Args:
        image: default nanoservice image of Architectures (SPIKO_IMAGE).
        reach: how the operator connects to eurekas (SPIKO_REACH): `direct` to the address of the pod, or
            `proxy` through the API server, for an operator outside the cluster.
        kubeconfig: path of a kubeconfig (KUBECONFIG); None inside a cluster.
        resync_s: seconds between full lists (SPIKO_RESYNC_SECONDS).
        namespaces: the only namespaces to watch (SPIKO_NAMESPACES, separated by commas); empty for all.
            Permissions in these namespaces suffice; without permission to list nodes, zones are logical.
        liveness: URL at which kopf serves liveness probes (SPIKO_LIVENESS), such as
            http://0.0.0.0:8081/healthz; None for no probes.
        own_namespace: where the operator's key is kept (SPIKO_OPERATOR_NAMESPACE); by default the namespace
            of the service account, or `default` outside a cluster.
        key_epoch: epoch of all keys (SPIKO_KEY_EPOCH): raise it by one to replace them; eurekas also accept
            the keys of the epoch before.
    """

    image: str
    reach: Reach
    kubeconfig: str | None
    resync_s: float
    namespaces: tuple[str, ...] = ()
    liveness: str | None = None
    own_namespace: str = "default"
    key_epoch: int = 1


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings from the environment.

    Raises:
        SettingsError: a value is not valid.
    """
    reach = environ.get("SPIKO_REACH", "direct")
    if reach not in ("direct", "proxy"):
        raise SettingsError(f"SPIKO_REACH: {reach!r}: must be direct or proxy")
    resync = environ.get("SPIKO_RESYNC_SECONDS", "60")
    if not resync.isdigit() or not 1 <= int(resync) <= 3600:
        raise SettingsError(f"SPIKO_RESYNC_SECONDS: {resync!r}: must be an integer from 1 to 3600 (seconds)")
    namespaces = tuple(
        dict.fromkeys(name.strip() for name in environ.get("SPIKO_NAMESPACES", "").split(",") if name.strip())
    )
    for name in namespaces:
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name):
            raise SettingsError(
                f"SPIKO_NAMESPACES: {name!r}: not a valid namespace name; use a comma-separated list "
                "without patterns"
            )
    epoch = environ.get("SPIKO_KEY_EPOCH", "1")
    if not epoch.isdecimal() or not 1 <= int(epoch[:8]) <= MOST_EPOCH:
        raise SettingsError(f"SPIKO_KEY_EPOCH: {epoch!r}: must be an integer from 1 to {MOST_EPOCH}")
    return Settings(
        image=environ.get("SPIKO_IMAGE", f"{IMAGE_REPOSITORY}:{version('spiko')}"),
        reach="proxy" if reach == "proxy" else "direct",
        kubeconfig=environ.get("KUBECONFIG") or None,
        resync_s=float(resync),
        namespaces=namespaces,
        liveness=environ.get("SPIKO_LIVENESS") or None,
        own_namespace=environ.get("SPIKO_OPERATOR_NAMESPACE") or _service_account_namespace(),
        key_epoch=int(epoch),
    )


def _service_account_namespace() -> str:
    try:
        with open(SERVICE_ACCOUNT_NAMESPACE, encoding="utf-8") as file:
            return file.read().strip() or "default"
    except OSError:
        return "default"
