"""START HERE: every kopf decorator. kopf watches and delivers; each handler puts a key into a queue and nothing else.

No change handlers, timers, daemons, indices or finalizers: kopf writes nothing to anybody's object, and decisions come from state, never from
edges. The reasons are in `docs/how-it-works.md`.
"""

from __future__ import annotations

import os
from typing import Any

import kopf

from spiko_operator.app import WATCHED, App
from spiko_operator.cluster.client import REQUEST_S, RESOURCES
from spiko_operator.plan import names
from spiko_operator.settings import read_settings

OURS = {names.ARCHITECTURE: kopf.PRESENT}
EUREKAS = {names.TIER: names.EUREKA}
app = App()


@kopf.on.startup()
async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
    """Settings of kopf, then the application."""
    settings.posting.enabled = False  # events come from our own recorder
    settings.scanning.disabled = True  # needs no rights on namespaces and CRDs
    settings.peering.standalone = True
    settings.watching.chunk_size = 500
    for kind, labels in WATCHED.items():  # the labels at a handler select only after everything has travelled
        if labels:
            group, _slash, version = RESOURCES[kind].api_version.rpartition("/")
            settings.watching.label_selectors[group, version, RESOURCES[kind].plural] = labels
    # A connection that went silent is given up: a watch has bookmarks every 60 s, a list gets no more time than our own requests.
    settings.watching.inactivity_timeout = 70
    settings.networking.request_timeout = REQUEST_S
    # An error of ours must not put an object to sleep for ten minutes.
    settings.queueing.error_delays = (1, 1, 2, 3, 5, 8, 13)
    settings.process.ultimate_exiting_timeout = 20
    await app.start(read_settings(os.environ))


@kopf.on.cleanup()
async def stop(**_: Any) -> None:
    """End queues and connections."""
    await app.stop()


@kopf.on.login()
def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    """KUBECONFIG if it is set, else the service account, as our own client takes them; read again at every rejected login."""
    if read_settings(os.environ).kubeconfig is not None:
        return kopf.login_with_kubeconfig(**kwargs)
    return kopf.login_with_service_account(**kwargs)


@kopf.on.probe(id="progress", errors=kopf.ErrorsMode.PERMANENT)  # else it is tried again in 60 s, and the asker hangs
def progress(**_: Any) -> dict[str, float]:
    """Liveness proves progress: raises if full lists have stopped, and the asker gets a 500."""
    return app.progress()


@kopf.on.event("spiko.dev", "v1alpha1", "architectures")
async def architecture(event: Any, **_: Any) -> None:
    """An Architecture was seen."""
    app.deliver("Architecture", event)


@kopf.on.event("spiko.dev", "v1alpha1", "faults")
async def fault(event: Any, **_: Any) -> None:
    """A Fault was seen."""
    app.deliver("Fault", event)


@kopf.on.event("apps", "v1", "deployments", labels=OURS)
async def deployment(event: Any, **_: Any) -> None:
    """A Deployment of ours was seen."""
    app.deliver("Deployment", event)


@kopf.on.event("", "v1", "services", labels=OURS)
async def service(event: Any, **_: Any) -> None:
    """A Service of ours was seen."""
    app.deliver("Service", event)


@kopf.on.event("", "v1", "configmaps", labels=OURS)
async def config_map(event: Any, **_: Any) -> None:
    """A memory was seen."""
    app.deliver("ConfigMap", event)


@kopf.on.event("policy", "v1", "poddisruptionbudgets", labels=OURS)
async def budget(event: Any, **_: Any) -> None:
    """A disruption budget of ours was seen."""
    app.deliver("PodDisruptionBudget", event)


@kopf.on.event("", "v1", "pods", labels=EUREKAS)
async def eureka(event: Any, **_: Any) -> None:
    """A eureka's pod was seen; tiers' pods are not watched."""
    app.deliver("Pod", event)
