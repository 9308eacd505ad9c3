"""One reconcile pass for one Architecture: observe, plan, execute, configure the eurekas."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace

from spiko_nanoservice.contract.handshake import Purpose
from spiko_operator.clock import now_text
from spiko_operator.cluster.client import Client
from spiko_operator.cluster.sockets import Endpoint
from spiko_operator.context import Context
from spiko_operator.errors import Conflict, Forbidden, Missing, NamespaceTerminating, Refused
from spiko_operator.handlers.pod_inspection import inspect
from spiko_operator.plan import names
from spiko_operator.plan.actions import Emit, SetStatus
from spiko_operator.plan.nodes import Node, read_node
from spiko_operator.plan.objects import Key, Object, is_deleting, key_of
from spiko_operator.plan.observed import ObjectKey, Observed, total_size
from spiko_operator.plan.reconcile import ReconcilePlan, forget, plan
from spiko_operator.plan.state import is_started

MANY = 300  # objects; the first plan of 3,000 objects takes 0.3 s, a later one 0.015 s
CONFLICT_RETRY_S = 0.05
OWNED = ("ConfigMap", "Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy")
log = logging.getLogger("spiko.operator")


async def reconcile(context: Context, key: Key) -> float | None:
    """Plan and execute one reconcile pass; for an Architecture whose namespace is being deleted, do nothing.

    Returns:
        In how many seconds to requeue the key; None if nothing is due.

    Raises:
        ClusterError: the API server did not answer, or it refused an object, which the status reports; the
            queue retries.
    """
    if is_terminating(context, key):
        return None
    try:
        return await _reconcile(context, key)
    except NamespaceTerminating as error:
        architecture = context.cache.get("Architecture", *key)
        if architecture is not None:
            context.terminating.add(architecture["metadata"]["uid"])
        log.info("%s/%s: %s; its end is awaited", *key, error)
        return None


def is_terminating(context: Context, key: Key) -> bool:
    """Return whether the namespace of an Architecture is known to be being deleted."""
    architecture = context.cache.get("Architecture", *key)
    return architecture is not None and architecture["metadata"]["uid"] in context.terminating


async def _reconcile(context: Context, key: Key) -> float | None:
    namespace, name = key
    async with AsyncExitStack() as stack:
        if not _is_admitted(context, context.cache.get("Architecture", namespace, name)):
            await stack.enter_async_context(context.admission)
        architecture = context.cache.get("Architecture", namespace, name)
        if architecture is None:
            _forget(context, key)
            return None
        observed, pass_ = await _decide(context, architecture)
    with context.tracer.start_as_current_span("reconcile", attributes={"spiko.architecture": name}) as span:
        span.set_attribute("spiko.actions", len(pass_.actions))
        try:
            if pass_.configuration is not None:  # the spec is accepted, and its names are free
                await _publish_keys(context, architecture, observed)
            outcome = await context.executor.execute(pass_.actions, architecture)
            if outcome.refused:
                await _report_refusals(context, architecture, observed.foreign, outcome.refused)
        except Conflict as conflict:
            log.info("%s/%s: reconciling again: %s", namespace, name, conflict)
            await _read_back(context, namespace, name)
            return CONFLICT_RETRY_S
    # Configurations are sent even if the API server refused objects.
    if pass_.configuration is not None and outcome.state_written:
        context.links.configure(key, pass_.configuration)
        context.links.keep(key, await eureka_endpoints(context, architecture))
    inspect_s = await inspect(context, key, pass_.incomplete)
    if outcome.refused:
        raise Refused(f"the API server refused {len(outcome.refused)} of the objects: {outcome.refused[0]}")
    return min((s for s in (outcome.requeue_s, inspect_s) if s is not None), default=None)


def _is_admitted(context: Context, architecture: Object | None) -> bool:
    """Whether the latest spec was accepted by this operator, so that the pass accepts nothing."""
    if architecture is None:
        return True
    reserved = context.reserved.get(architecture["metadata"]["uid"])
    return reserved is not None and reserved.generation == architecture["metadata"].get("generation")


def _forget(context: Context, key: Key) -> None:
    """Forget a deleted Architecture."""
    context.links.forget(key)
    context.keys.forget(key)
    context.inspections.pop(key, None)
    forget(key)
    live = {body["metadata"]["uid"] for body in context.cache.all("Architecture")}
    context.reserved = {uid: kept for uid, kept in context.reserved.items() if uid in live}
    context.terminating &= live


async def _decide(context: Context, architecture: Object) -> tuple[Observed, ReconcilePlan]:
    """Observe and plan, and reserve what is accepted before another pass observes."""
    try:
        observed = await _observe(context, architecture)
    except NamespaceTerminating:
        raise
    except Forbidden as error:  # to read a Secret or the namespace
        await _report_refusals(context, architecture, {}, (str(error),))
        raise
    pass_ = await _plan(observed)
    if pass_.unknown and (foreign := await _look_up(context.client, observed.namespace, pass_.unknown)):
        observed = replace(observed, foreign={**observed.foreign, **foreign})
        pass_ = await _plan(observed)
    context.reserved.pop(architecture["metadata"]["uid"], None)
    if pass_.reservation is not None:
        context.reserved[architecture["metadata"]["uid"]] = pass_.reservation
    return observed, pass_


async def _plan(observed: Observed) -> ReconcilePlan:
    """Plan; with many objects in a thread, so that the event loop can serve probes and eurekas."""
    return await asyncio.to_thread(plan, observed) if len(observed.objects) > MANY else plan(observed)


async def _publish_keys(context: Context, architecture: Object, observed: Observed) -> None:
    """Write the Secrets; without them no pod starts, so a refusal ends the pass. Raises ClusterError."""
    try:
        await context.keys.publish(architecture)
    except (Conflict, Missing, NamespaceTerminating):  # the namespace is gone, or will be
        raise
    except Refused as error:
        await _report_refusals(context, architecture, observed.foreign, (str(error),))
        raise


async def _report_refusals(
    context: Context, architecture: Object, foreign: Mapping[ObjectKey, Object], refused: tuple[str, ...]
) -> None:
    """Write the status that names the refused objects; the other actions of the pass were executed."""
    observed = replace(await _observe(context, architecture, foreign), refused=refused)
    actions = (await _plan(observed)).actions
    await context.executor.execute([a for a in actions if isinstance(a, SetStatus | Emit)], architecture)


def eureka_pods(context: Context, namespace: str, name: str) -> list[Object]:
    """Return the pods with the labels of the eurekas of an architecture that have an address."""
    pods = context.cache.of_architecture(namespace, name, ("Pod",)).values()
    return [pod for pod in pods if (pod.get("status") or {}).get("podIP") and not is_deleting(pod)]


async def eureka_endpoints(context: Context, architecture: Object) -> dict[str, Endpoint]:
    """Return the control endpoints of the eurekas of an Architecture, by pod UID.

    A pod with the labels of a eureka that does not belong to the Architecture is left out.

    Raises:
        ClusterError: the API server does not answer.
    """
    namespace, name = key_of(architecture)
    uid = architecture["metadata"]["uid"]
    keys = context.keys.keyring.keys(Purpose.CONTROL, uid)
    found = {}
    for pod in await context.owners.select(eureka_pods(context, namespace, name), uid):
        address = pod["status"]["podIP"]
        url = context.reach.url(namespace, pod["metadata"]["name"], address, "/control", web_socket=True)
        found[pod["metadata"]["uid"]] = Endpoint(url, address, Purpose.CONTROL, keys)
    return found


async def _observe(
    context: Context, architecture: Object, foreign: Mapping[ObjectKey, Object] | None = None
) -> Observed:
    """Observe an Architecture; Secrets of other owners are looked up unless `foreign` has them."""
    key = namespace, name = key_of(architecture)
    objects = context.cache.of_architecture(namespace, name, OWNED)
    if ("ConfigMap", names.state_name(name)) not in objects:
        objects |= await _look_before_the_first_pass(context, key)
    architectures = context.cache.all("Architecture")
    neighbors = [a for a in architectures if a["metadata"]["namespace"] == namespace]
    digests = {key: context.executor.applied_digest(key[0], body) for key, body in objects.items()}
    return Observed(
        architecture=architecture,
        objects=objects,
        foreign=await context.keys.find_foreign(architecture) if foreign is None else foreign,
        live_uids=frozenset(a["metadata"]["uid"] for a in architectures),
        nodes=context.nodes,
        reports=context.links.reports(key),
        image=context.settings.image,
        now=now_text(),
        state_key=context.keys.keyring.state_key(*key),
        unknown_pods=context.unknown_pods.get(key, frozenset()),
        health=context.links.verdicts(key),
        policies=context.settings.policies,
        causes=context.inspections[key].causes if key in context.inspections else {},
        applied={key: digest for key, digest in digests.items() if digest is not None},
        neighbors=tuple(a for a in neighbors if a["metadata"]["name"] != name),
        reserved=dict(context.reserved),
        limits=context.settings.limits,
        others=total_size((a for a in architectures if a is not architecture), context.reserved),
        collector=context.settings.default_collector,
        has_budgets=context.settings.disruption_budgets,
    )


async def _look_before_the_first_pass(context: Context, key: Key) -> dict[ObjectKey, Object]:
    """Return the state, if the watch has not delivered it yet; without one the topology will be chosen, from
    the nodes as they are now.
    """
    context.nodes = await read_nodes(context.client)
    try:
        state = await context.client.get("ConfigMap", key[0], names.state_name(key[1]))
    except Missing:
        return {}
    context.cache.put("ConfigMap", state)
    return {("ConfigMap", names.state_name(key[1])): state}


def was_started(context: Context, key: Key) -> bool:
    """Return whether an Architecture was ever Ready, by its state."""
    state = context.cache.get("ConfigMap", key[0], names.state_name(key[1])) or {}
    return is_started(state.get("data") or {}, context.keys.keyring.state_key(*key))


async def read_nodes(client: Client) -> tuple[Node, ...]:
    """Return all nodes; empty without permission to list nodes.

    Raises:
        ClusterError: the API server does not answer, or with another error, so that the zones are unknown.
    """
    try:
        nodes = await client.list("Node")
    except Forbidden as error:
        log.info("no permission to list nodes, zones are logical: %s", error)
        return ()
    return tuple(read_node(body) for body in nodes)


async def _look_up(client: Client, namespace: str, keys: tuple[ObjectKey, ...]) -> dict[ObjectKey, Object]:
    """Return the objects with a needed name that are not in the cache, to check their owner."""
    needed = set(keys)
    found = {}
    for kind in sorted({kind for kind, _ in keys}):  # one list is cheaper than thirty reads
        for body in await client.list(kind, namespace):
            if (kind, body["metadata"]["name"]) in needed:
                found[kind, body["metadata"]["name"]] = body
    return found


async def _read_back(context: Context, namespace: str, name: str) -> None:
    """Read the state into the cache, after a conflict."""
    try:
        context.cache.put(
            "ConfigMap", await context.client.get("ConfigMap", namespace, names.state_name(name))
        )
    except Missing:
        return
