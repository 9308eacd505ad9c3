"""Lists pods of an Architecture that is not Ready, to explain why.

The pods of tiers are not watched, because there may be thousands. While everything is Ready no pod is listed;
otherwise few are, and rarely.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from spiko_operator.context import Context, Inspection
from spiko_operator.errors import ClusterError
from spiko_operator.plan import names
from spiko_operator.plan.objects import Key, Object
from spiko_operator.plan.pod_causes import deployment_of, find_causes

FIRST_S = 5.0  # for an ordinary start
EVERY_S = 15.0
MOST_PODS = 100  # of one request
MOST_TIERS = 16  # in one label selector
log = logging.getLogger("spiko.operator")


async def inspect(context: Context, key: Key, incomplete: Mapping[str, str]) -> float | None:
    """Look for the causes of missing pods, if that is due; `context.inspections` has the result.

    Args:
        context: of the operator.
        key: of the Architecture.
        incomplete: Deployment -> tier, of the Deployments that are not complete.

    Returns:
        In how many seconds to plan again; None if every Deployment is complete.
    """
    if not incomplete:
        context.inspections.pop(key, None)
        return None
    now_s = context.monotonic_s()
    found = context.inspections.setdefault(key, Inspection(due_s=now_s + FIRST_S))
    if now_s < found.due_s:
        return found.due_s - now_s
    found.due_s = now_s + EVERY_S
    try:
        causes = find_causes(await _list_suspects(context, key, incomplete))
    except ClusterError as error:
        log.info("%s/%s: the pods that are not Ready cannot be listed: %s", *key, error)
        return EVERY_S
    if causes == found.causes:
        return EVERY_S
    found.causes = causes
    return 0.0


async def _list_suspects(context: Context, key: Key, incomplete: Mapping[str, str]) -> list[Object]:
    """Return Pending pods; of tiers with an incomplete Deployment that has none, also running pods."""
    namespace, labels = key[0], f"{names.ARCHITECTURE}={key[1]}"
    pods = await context.client.first_page("Pod", namespace, labels, "status.phase=Pending", MOST_PODS)
    starting = {deployment_of(pod) for pod in pods}
    tiers = sorted({tier for name, tier in incomplete.items() if name not in starting})[:MOST_TIERS]
    if tiers:
        labels += f",{names.TIER} in ({','.join(tiers)})"
        pods += await context.client.first_page("Pod", namespace, labels, "status.phase=Running", MOST_PODS)
    return pods
