"""One round for one Architecture: read the cache, plan, carry out, tell the eurekas."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any

from spiko_operator.clock import now_text
from spiko_operator.cluster.client import Client
from spiko_operator.context import Context
from spiko_operator.errors import Conflict, Forbidden, Missing, Refused
from spiko_operator.eureka_links import Key
from spiko_operator.plan import names
from spiko_operator.plan.actions import Emit, SetStatus
from spiko_operator.plan.reconcile import Round, Seen, plan
from spiko_operator.plan.topology import from_labels

Object = dict[str, Any]
MANY = 300
OWNED = ("ConfigMap", "Deployment", "Service", "PodDisruptionBudget")
log = logging.getLogger("spiko.operator")


async def reconcile(context: Context, key: Key) -> float | None:
    """Plan and carry out one round; returns in how many seconds to come again, or None.

    Raises:
        ClusterError: something was refused, which the status tells, or not answered; the queue comes again.
    """
    namespace, name = key
    architecture = context.cache.get("Architecture", namespace, name)
    if architecture is None:
        context.links.forget(key)
        return None
    seen = await _see(context, architecture)
    round_ = await _plan(seen)
    if round_.unknown:
        foreign = await _look_up(context.client, namespace, round_.unknown)
        if foreign:
            seen = replace(seen, foreign=foreign)
            round_ = await _plan(seen)
    with context.tracer.start_as_current_span("reconcile", attributes={"spiko.architecture": name}) as span:
        span.set_attribute("spiko.actions", len(round_.actions))
        try:
            outcome = await context.executor.carry_out(round_.actions, architecture)
            if outcome.refused:
                told = await _plan(
                    replace(await _see(context, architecture), foreign=seen.foreign, refused=outcome.refused)
                )
                says = [action for action in told.actions if isinstance(action, SetStatus | Emit)]
                await context.executor.carry_out(says, architecture)
        except Conflict as conflict:
            log.info("%s/%s: begins again: %s", namespace, name, conflict)
            await _read_back(context, namespace, name)
            return 0.05
    if round_.configuration is not None and outcome.remembered:  # what pods route by does not wait for what is refused
        context.links.configure(key, round_.configuration)
        context.links.keep(key, eureka_urls(context, namespace, name))
    if outcome.refused:
        raise Refused(f"{len(outcome.refused)} objects are refused: {outcome.refused[0]}")
    return outcome.again_s


async def _plan(seen: Seen) -> Round:
    """Plan; of many objects in a thread, where 1,500 take 0.15 s, so that probes and eurekas are answered meanwhile."""
    return await asyncio.to_thread(plan, seen) if len(seen.objects) > MANY else plan(seen)


def eureka_urls(context: Context, namespace: str, name: str) -> dict[str, str]:
    """Pod UID -> control URL of the eurekas that have an address."""
    found = {}
    for (_, pod_name), pod in context.cache.of_architecture(namespace, name, ("Pod",)).items():
        address = pod.get("status", {}).get("podIP")
        if address and not pod["metadata"].get("deletionTimestamp"):
            found[pod["metadata"]["uid"]] = context.reach.url(namespace, pod_name, address, "/control", web_socket=True)
    return found


async def _see(context: Context, architecture: Object) -> Seen:
    namespace, name = architecture["metadata"]["namespace"], architecture["metadata"]["name"]
    objects = context.cache.of_architecture(namespace, name, OWNED)
    if ("ConfigMap", names.state_name(name)) not in objects:  # only then topology is chosen
        context.labelled = await read_labels(context.client)
        try:
            state = await context.client.get("ConfigMap", namespace, names.state_name(name))
        except Missing:
            pass
        else:
            context.cache.put("ConfigMap", state)
            objects[("ConfigMap", names.state_name(name))] = state
    return Seen(
        architecture=architecture,
        objects=objects,
        foreign={},
        living=frozenset(a["metadata"]["uid"] for a in context.cache.all("Architecture")),
        labelled=context.labelled,
        heard=context.links.heard((namespace, name)),
        image=context.settings.image,
        now=now_text(),
        normalised={
            key: wish for key, body in objects.items() if (wish := context.executor.wish_of(key[0], body)) is not None
        },
    )


async def read_labels(client: Client) -> dict[str, list[str]]:
    """Regions and zones of all nodes; none for an operator that may not see nodes, since it is kept to some namespaces.

    Raises:
        ClusterError: the API server does not answer, or with another error: what zones there are is then not known.
    """
    try:
        nodes = await client.list("Node")
    except Forbidden as error:
        log.info("nodes cannot be seen, zones are logical: %s", error)
        return {}
    return from_labels([node["metadata"].get("labels") or {} for node in nodes])


async def _look_up(client: Client, namespace: str, keys: tuple[tuple[str, str], ...]) -> dict[tuple[str, str], Object]:
    """Objects that hold a wanted name without being known: before the first apply of a name its owner is checked."""
    kinds = {kind for kind, _ in keys}
    wanted = set(keys)
    found = {}
    for kind in sorted(kinds):  # a list a kind: cheaper than thirty reads, and just as true
        for body in await client.list(kind, namespace):
            if (kind, body["metadata"]["name"]) in wanted:
                found[kind, body["metadata"]["name"]] = body
    return found


async def _read_back(context: Context, namespace: str, name: str) -> None:
    """After a conflict: see what is there before planning again."""
    try:
        context.cache.put("ConfigMap", await context.client.get("ConfigMap", namespace, names.state_name(name)))
    except Missing:
        return
