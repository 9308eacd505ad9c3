"""START HERE: all kopf decorators. Each handler only updates the cache and queues keys.

There are no change handlers, timers, daemons, indices or finalizers: kopf writes nothing to any object, and
the operator is level-triggered. The reasons are in `docs/kopf.md`.
"""

from __future__ import annotations

import os
from typing import Any

import kopf

from spiko_operator.app import App
from spiko_operator.cluster.connection import REQUEST_S
from spiko_operator.cluster.resources import RESOURCES
from spiko_operator.errors import SettingsError
from spiko_operator.full_lists import WATCHED, WATCHED_POLICIES
from spiko_operator.kopf_retries import EndlessBackoff
from spiko_operator.plan import names
from spiko_operator.settings import has_network_policies, read_settings

OWNED = {names.ARCHITECTURE: kopf.PRESENT}
EUREKAS = {names.TIER: names.EUREKA}
app = App()


@kopf.on.startup()
async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
    """Configure kopf, then start the operator."""
    settings.posting.enabled = False  # `cluster/events.py` emits the events
    settings.scanning.disabled = True  # scanning would need permissions on namespaces and CRDs
    settings.peering.standalone = True
    settings.watching.chunk_size = 500
    # The labels of a handler filter events after they were received; these filter them at the API server.
    for kind, labels in {**WATCHED, **WATCHED_POLICIES}.items():
        if labels:
            group, _slash, version = RESOURCES[kind].api_version.rpartition("/")
            settings.watching.label_selectors[group, version, RESOURCES[kind].plural] = labels
    # Silent connections are closed: a watch has bookmarks every 60 s, and a list has the time limit of other
    # requests.
    settings.watching.inactivity_timeout = 70
    settings.networking.request_timeout = REQUEST_S
    # By default, a namespace without the permissions would stop the process after nine attempts.
    settings.networking.error_backoffs = EndlessBackoff()
    # By default, an error in a handler would suspend the object for up to ten minutes.
    settings.queueing.error_delays = (1, 1, 2, 3, 5, 8, 13)
    settings.process.ultimate_exiting_timeout = 20
    try:
        await app.start(read_settings(os.environ))
    except SettingsError as error:  # another attempt would not help
        raise kopf.PermanentError(str(error)) from error


@kopf.on.cleanup()
async def stop(**_: Any) -> None:
    """Stop the operator."""
    await app.stop()


@kopf.on.login()
def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    """Return the credentials of KUBECONFIG or the service account; kopf calls this after each rejection."""
    if read_settings(os.environ).kubeconfig is not None:
        return kopf.login_with_kubeconfig(**kwargs)
    return kopf.login_with_service_account(**kwargs)


@kopf.on.event("spiko.dev", "v1alpha1", "architectures")
async def architecture(event: Any, **_: Any) -> None:
    """An Architecture changed."""
    app.deliver("Architecture", event)


@kopf.on.event("spiko.dev", "v1alpha1", "faults")
async def fault(event: Any, **_: Any) -> None:
    """A Fault changed."""
    app.deliver("Fault", event)


@kopf.on.event("apps", "v1", "deployments", labels=OWNED)
async def deployment(event: Any, **_: Any) -> None:
    """An owned Deployment changed."""
    app.deliver("Deployment", event)


@kopf.on.event("", "v1", "services", labels=OWNED)
async def service(event: Any, **_: Any) -> None:
    """An owned Service changed."""
    app.deliver("Service", event)


@kopf.on.event("", "v1", "configmaps", labels=OWNED)
async def config_map(event: Any, **_: Any) -> None:
    """A state ConfigMap changed."""
    app.deliver("ConfigMap", event)


@kopf.on.event("policy", "v1", "poddisruptionbudgets", labels=OWNED)
async def budget(event: Any, **_: Any) -> None:
    """An owned disruption budget changed."""
    app.deliver("PodDisruptionBudget", event)


if has_network_policies(os.environ):  # kopf watches what has a handler, and needs the permission to

    @kopf.on.event("networking.k8s.io", "v1", "networkpolicies", labels=OWNED)
    async def network_policy(event: Any, **_: Any) -> None:
        """An owned NetworkPolicy changed."""
        app.deliver("NetworkPolicy", event)


@kopf.on.event("", "v1", "pods", labels=EUREKAS)
async def eureka(event: Any, **_: Any) -> None:
    """A eureka pod changed; the pods of tiers are not watched."""
    app.deliver("Pod", event)
