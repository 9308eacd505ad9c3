"""The operator's settings: name, default, unit, effect. Read once, at start."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal

from spiko_operator.errors import SpecError
from spiko_operator.plan.workloads import IMAGE_REPOSITORY

Reach = Literal["direct", "proxy"]


@dataclass(frozen=True)
class Settings:
    """All settings.

    `image` is the nanoservice image of Architectures that name none (SPIKO_IMAGE). `reach` is how eurekas are reached (SPIKO_REACH): `direct`
    to the pod's address, or `proxy` through the API server, for an operator outside the cluster. `kubeconfig` is a file (KUBECONFIG), None
    inside a cluster. `resync_s` is the time between full lists. `namespaces` are those that are looked after (SPIKO_NAMESPACES, comma separated), all
    if there are none: then rights in these suffice, and zones are logical where nodes may not be listed. `liveness` is where kopf answers
    probes (SPIKO_LIVENESS), such as http://0.0.0.0:8081/healthz; None for nowhere.
    """

    image: str
    reach: Reach
    kubeconfig: str | None
    resync_s: float
    namespaces: tuple[str, ...] = ()
    liveness: str | None = None


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the environment.

    Raises:
        SpecError: a value that is not allowed; names variable, value and what is.
    """
    reach = environ.get("SPIKO_REACH", "direct")
    if reach not in ("direct", "proxy"):
        raise SpecError(f"SPIKO_REACH: {reach!r} is neither direct nor proxy")
    resync = environ.get("SPIKO_RESYNC_SECONDS", "60")
    if not resync.isdigit() or not 1 <= int(resync) <= 3600:
        raise SpecError(f"SPIKO_RESYNC_SECONDS: {resync!r} is no number of seconds from 1 to 3600")
    namespaces = tuple(
        dict.fromkeys(name.strip() for name in environ.get("SPIKO_NAMESPACES", "").split(",") if name.strip())
    )
    for name in namespaces:
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name):
            raise SpecError(
                f"SPIKO_NAMESPACES: {name!r} is no name of a namespace; names are separated by commas, patterns are not understood"
            )
    return Settings(
        image=environ.get("SPIKO_IMAGE", f"{IMAGE_REPOSITORY}:{version('spiko')}"),
        reach="proxy" if reach == "proxy" else "direct",
        kubeconfig=environ.get("KUBECONFIG") or None,
        resync_s=float(resync),
        namespaces=namespaces,
        liveness=environ.get("SPIKO_LIVENESS") or None,
    )
