"""Rings on loopback: reads and writes at any node, other zones and regions, owners that are gone."""

from __future__ import annotations

import asyncio
import gzip
import time
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spiko_nanoservice.contract import PROTOCOL, Hello, Place, TierConfig, VersionConfig
from spiko_nanoservice.eureka.server import Eureka
from spiko_nanoservice.tier.pod import TierPod
from spiko_nanoservice.wire.http_server import Server
from spiko_nanoservice.wire.request import Request
from tests.support.loopback_cluster import LoopbackCluster, ask, until
from tests.support.ring_cluster import REGIONS, cluster, is_clean, key_of, node, ring_cluster


async def test_any_node_reads_and_writes_for_its_ring() -> None:
    """Given a ring, then a PUT at one node is kept by the owner and a GET at another finds it, with one call
    each; an unknown key is a miss.
    """
    async with ring_cluster() as rings:
        await rings.start(cluster(3, dependencies=("cass",), zones="a"))
        nodes = rings.nodes("a")
        key = key_of(2, 3)

        put = await ask(nodes[0], "PUT", f"/k/{key}", b"1")
        got = [await ask(nodes[slot], "GET", f"/k/{key}") for slot in range(3)]
        missed = await ask(nodes[0], "GET", f"/k/{key}x")
        born = await ask(nodes[0], "GET", "/k/why%3F")
        holders = [slot for slot, pod in nodes.items() if key.encode() in node(pod).values]
        asked = [what for _, what in rings.log if what != "POST "]

    assert [200] + [200] * 3 == [put.status, *(g.status for g in got)]
    assert [b"1"] * 3 == [g.body for g in got]
    assert (404, 200, b"because...") == (missed.status, born.status, born.body)
    assert [2] == holders
    assert ["PUT /k", "PUT /owned"] + ["GET /k", "GET /owned"] * 2 + ["GET /k"] == asked[:7]


async def test_nodes_of_a_tier_without_a_ring_keep_every_key() -> None:
    """Given a tier that does not depend on itself, then each node keeps what it gets."""
    async with ring_cluster() as rings:
        t = rings.cluster
        configuration = cluster(2, dependencies=(), zones="a")
        await t.add_eureka("a", configuration)
        first, second = await rings.add("r", "a"), await rings.add("r", "a")
        await until(lambda: first.tier.ready and second.tier.ready)

        put = await ask(first, "PUT", "/k/x", b"1")
        got, missed = await ask(first, "GET", "/k/x"), await ask(second, "GET", "/k/x")

    assert (200, 200, 404) == (put.status, got.status, missed.status)


@pytest.mark.parametrize("slot", [0, 1], ids=["at the owner", "at another node"])
async def test_a_write_reaches_every_ring_and_enters_a_region_once(slot: int) -> None:
    """Given two regions of two zones, then a write causes one /replicate/ to the other ring here, one /enter/
    there, and one /replicate/ inside that region.
    """
    async with ring_cluster() as rings:
        t = rings.cluster
        await rings.start(cluster(2, "rs"))
        key = key_of(0, 2)
        await rings.quiet()
        rings.log.clear()

        put = await ask(rings.nodes("a")[slot], "PUT", f"/k/{key}", b"1")
        owners = [rings.nodes(zone)[0] for zone in "abxy"]
        await until(lambda: all(key.encode() in node(owner).values for owner in owners))
        await rings.quiet()
        asked = [(name[0], what) for name, what in rings.log if what != "POST "]

    kinds = [what for _, what in asked]
    assert 200 == put.status
    assert (1, 2, 1) == tuple(kinds.count(what) for what in ("PUT /k", "POST /replicate", "POST /enter"))
    assert slot == kinds.count("PUT /owned")
    assert {"PUT /k", "POST /replicate", "POST /enter"} >= set(kinds) - {"PUT /owned", "POST /owned"}
    (entered,) = [zone for zone, what in asked if what == "POST /enter"]
    assert {"x": {"b", "y"}, "y": {"b", "x"}}[entered] == {
        zone for zone, what in asked if what == "POST /replicate"
    }
    assert len([p for p in t.pods.values() if key.encode() in node(p).values]) == 4


async def test_without_its_owner_a_key_is_served_by_another_ring_else_no_owner() -> None:
    """Given a dead node, then its keys are read and written in the other zone; with that one dead as well the
    reply is 503 no_owner.
    """
    async with ring_cluster() as rings:
        t = rings.cluster
        await rings.start(cluster(2))
        key = key_of(1, 2)
        asked = rings.nodes("a")[0]
        await ask(asked, "PUT", f"/k/{key}", b"1")
        await until(lambda: all(key.encode() in node(rings.nodes(zone)[1]).values for zone in "ab"))

        await kill(t, rings.nodes("a")[1])
        read = await ask(asked, "GET", f"/k/{key}")
        written = await ask(asked, "PUT", f"/k/{key}", b"2")
        there = node(rings.nodes("b")[1]).values[key.encode()]
        await kill(t, rings.nodes("b")[1])
        lost = await ask(asked, "GET", f"/k/{key}"), await ask(asked, "PUT", f"/k/{key}", b"3")

    assert (200, b"1", 200, b"2") == (read.status, read.body, written.status, there[0])
    assert [(503, "no_owner")] * 2 == [(reply.status, reply.reason) for reply in lost]


async def kill(t: LoopbackCluster, pod: TierPod) -> None:
    """Kill a pod: its process is gone and its connections end."""
    name = pod.settings.pod_name
    task, _ = t._running.pop(name)
    for running in pod._tasks.values():
        running.cancel()
    task.cancel()
    await asyncio.gather(task, *pod._tasks.values(), return_exceptions=True)
    await pod.server.drain(0.0)
    del t.pods[name]
    zone = pod.settings.zone
    await until(lambda: all(name not in p.tier.routes.instances for p in t.pods.values()))
    assert pod not in rings_of(t, zone)


def rings_of(t: LoopbackCluster, zone: str) -> list[TierPod]:
    """Return the pods of a zone."""
    return [p for p in t.pods.values() if p.settings.zone == zone]


async def test_the_keys_of_a_killed_owner_are_lost_in_its_ring_only() -> None:
    """Given a killed owner, then its successor starts empty and the other ring still has the key: no repair
    brings it back.
    """
    async with ring_cluster() as rings:
        t = rings.cluster
        await rings.start(cluster(2))
        key = key_of(1, 2)
        await ask(rings.nodes("a")[0], "PUT", f"/k/{key}", b"1")
        await until(lambda: all(key.encode() in node(rings.nodes(zone)[1]).values for zone in "ab"))

        await kill(t, rings.nodes("a")[1])
        await rings.add("r", "a")
        await until(lambda: 1 in rings.nodes("a"))
        replies = [await ask(rings.nodes(zone)[0], "GET", f"/k/{key}") for zone in "ab"]

    assert [404, 200] == [reply.status for reply in replies]


async def test_spans_of_a_ring_form_a_tree() -> None:
    """Given a read at a node that is not the owner, then its SERVER span has a CLIENT span below it, and the
    owner's SERVER span below that.
    """
    async with ring_cluster() as rings:
        received: list[bytes] = []

        def receive(request: Request) -> None:
            received.append(request.body)
            request.reply(200, b"")

        sink = Server(receive)
        address, port = await sink.listen("127.0.0.1", 0)
        made = replace(
            cluster(2, dependencies=("cass",), zones="a"), otlp_endpoint=f"http://{address}:{port}"
        )
        await rings.start(made)
        headers = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
        await ask(rings.nodes("a")[0], "GET", f"/k/{key_of(1, 2)}", headers=headers)
        await until(lambda: len(spans_in(received)) >= 3)
        spans = spans_in(received)
        await sink.drain(0.0)

    by_name = {span.name: span for span in spans}
    outer, call, inner = by_name["GET /k/{key}"], by_name["GET"], by_name["GET /owned/{key}"]
    assert 3 == len(spans)
    assert bytes.fromhex("b7ad6b7169203331") == outer.parent_span_id
    assert (outer.span_id, call.span_id) == (call.parent_span_id, inner.parent_span_id)
    assert {bytes.fromhex("0af7651916cd43dd8448eb211c80319c")} == {span.trace_id for span in spans}


def spans_in(bodies: list[bytes]) -> list[Any]:
    """Return the exported spans."""
    found = []
    for body in bodies:
        request = ExportTraceServiceRequest()
        request.ParseFromString(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
        found += [s for r in request.resource_spans for scope in r.scope_spans for s in scope.spans]
    return found


async def test_only_ring_nodes_serve_ring_paths_and_clients_cannot_date_writes() -> None:
    """Given a store, then ring paths are 404; a wrong method is 405; the time of a write is the
    coordinator's.
    """
    async with ring_cluster() as rings:
        await rings.start(cluster(1, zones="a"))
        (pod,) = rings.cluster.pods.values()
        store = await rings.cluster.add("db-0", "db", "store")
        await until(lambda: store.tier.ready)
        elsewhere = [(await ask(store, "GET", path)).status for path in ("/owned/x", "/held/x", "/handover")]
        wrong = (await ask(pod, "PUT", "/held/x", b"1")).status
        await ask(pod, "PUT", "/k/x", b"1", headers="spiko-written-us: 99999999999999999\r\n")
        written_us = node(pod).values[b"x"][1]

    assert ([404, 404, 404], 405) == (elsewhere, wrong)
    assert abs(written_us - time.time() * 1e6) < 60e6


async def test_versions_are_rings_of_their_own_and_replicate_to_each_other() -> None:
    """Given a canary of a ring, then it has owners of its own, and a write to the old version is read in the
    new one.
    """
    places = (Place("r", "a", 2),)
    versions = tuple(VersionConfig(name, share, places) for name, share in (("1.0.0", 90), ("1.1.0", 10)))
    tiers = (TierConfig("cass", "priamCassandra", ("cass",), places, versions),)
    async with ring_cluster() as rings:
        t = rings.cluster
        await t.add_eureka("a", replace(cluster(2, zones="a"), tiers=tiers))
        for number, version in enumerate(("1.0.0", "1.0.0", "1.1.0", "1.1.0")):
            await t.add(f"cass-{number}", "cass", "priamCassandra", SPIKO_VERSION=version)
        await until(lambda: all(len(node(p).ring.members) == 1 and is_clean(p) for p in t.pods.values()))
        old, new = ([p for p in t.pods.values() if p.settings.version == v] for v in ("1.0.0", "1.1.0"))

        key = key_of(1, 2)
        put = await ask(old[0], "PUT", f"/k/{key}", b"1")
        await until(lambda: any(key.encode() in node(p).values for p in new))
        got = [await ask(p, "GET", f"/k/{key}") for p in (*old, *new)]
        holders = {
            p.settings.version: node(p).ring.own for p in t.pods.values() if key.encode() in node(p).values
        }

    assert [200] * 5 == [put.status, *(reply.status for reply in got)]
    assert {"1.0.0": 1, "1.1.0": 1} == holders


def pods_of(eureka: Eureka) -> set[str]:
    """Return the pods that have a session at a eureka."""
    return {session.hello.id for session in eureka.registry.sessions.values()}


async def test_a_pod_in_several_regions_leaves_all_of_them() -> None:
    """Given a node that is registered in two regions, when it leaves, then it serves until no caller of
    either region routes to it.
    """
    async with ring_cluster() as rings:
        await rings.start(cluster(1, "rs"))
        leaver = next(p for p in rings.cluster.pods.values() if p.settings.region == "r")
        there = [rings.cluster.eurekas[zone].eureka for zone in REGIONS["s"]]
        leaver_id = leaver.settings.pod_uid
        await until(lambda: any(leaver_id in pods_of(eureka) for eureka in there))
        away = next(eureka for eureka in there if leaver_id in pods_of(eureka))
        slow = Hello(
            PROTOCOL,
            "slow",
            "slow",
            "cass",
            "priamCassandra",
            "1.0.0",
            "s",
            away.registry.zone,
            "127.0.0.1",
            1,
            (1, 1),
        )
        away.perform(away.registry.hello(999, slow, time.monotonic()))
        view = away.registry.sessions[999].viewpoint
        await until(lambda: leaver_id in away.registry.views.by_viewpoint[view].members)
        away.perform(
            away.registry.ack(999, away.registry.views.by_viewpoint[view].revision, None, time.monotonic())
        )

        leaving = asyncio.create_task(rings.cluster.stop(leaver_id))
        await asyncio.sleep(1.0)
        served = await ask(leaver, "GET", "/k/why%3F")
        away.perform(away.registry.lost(999, time.monotonic()))
        await leaving

    assert served.status == 200


def regions_seen(pod: TierPod) -> set[str]:
    """Return the regions of the instances in a pod's table."""
    return {instance.region for instance in pod.tier.routes.instances.values()}


async def test_a_pod_leaves_regions_that_its_tier_does_not_need_any_more() -> None:
    """Given a tier that does not list `eureka` any more, then its pods end their sessions in other regions
    and forget those instances.
    """
    async with ring_cluster() as rings:
        await rings.start(cluster(1, "rs"))
        pods = list(rings.cluster.pods.values())
        eurekas = [eureka.eureka for eureka in rings.cluster.eurekas.values()]
        await until(lambda: sum(len(e.registry.sessions) for e in eurekas) == 8)

        rings.configure(cluster(1, "rs", dependencies=("cass",)))
        await until(lambda: sum(len(e.registry.sessions) for e in eurekas) == 4)
        await until(lambda: all({pod.settings.region} == regions_seen(pod) for pod in pods))
        rings.configure(cluster(1, "rs"))
        await until(lambda: sum(len(e.registry.sessions) for e in eurekas) == 8)
        await until(lambda: all({"r", "s"} == regions_seen(pod) for pod in pods))
