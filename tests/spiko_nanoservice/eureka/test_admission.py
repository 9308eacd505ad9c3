"""Who may open a session with a eureka, and how many may try at a time."""

from __future__ import annotations

import asyncio
import re
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, cast

import pytest
from aiohttp import (
    ClientSession,
    ClientWebSocketResponse,
    TCPConnector,
    WSMsgType,
    WSServerHandshakeError,
)

from spiko_nanoservice.contract import PROTOCOL, Hello, Revision, encode
from spiko_nanoservice.contract.handshake import EpochKey, Purpose, prove
from spiko_nanoservice.errors import LinkError
from spiko_nanoservice.eureka import admission
from spiko_nanoservice.wire.key_files import KeyFiles
from spiko_nanoservice.wire.websocket import WebSocket
from tests.support.keys import KEYS, open_session, write_keys
from tests.support.loopback_cluster import LoopbackCluster, configuration, loopback_cluster, tier, until

PATHS = ("/register", "/peer", "/control", "/read")
TIERS = (tier("front", "monolith", "db"), tier("db", "store"))


async def place_with_eureka(place: LoopbackCluster) -> tuple[str, Any]:
    """Start a eureka; return its address and its pod."""
    pod = await place.add_eureka("a", configuration(*TIERS))
    await asyncio.sleep(0.05)
    return place.names["arch-eureka-a.default"][0], pod


async def rest(socket: ClientWebSocketResponse) -> list[dict[str, Any]]:
    """Return the messages until the connection ends."""
    async with asyncio.timeout(10):
        return [frame.json() async for frame in socket if frame.type == WSMsgType.TEXT]


@pytest.mark.parametrize("path", PATHS)
async def test_a_session_without_a_proof_is_refused(path: str) -> None:
    """Given a client without a key, then a configuration as first message ends the session, and the active
    configuration stays.
    """
    async with loopback_cluster() as place, ClientSession() as session:
        address, pod = await place_with_eureka(place)
        stolen = configuration(*TIERS, counter=7)
        async with session.ws_connect(f"http://{address}:7070{path}") as socket:
            await socket.send_json({"t": "config", "configuration": encode(stolen)})
            received = await rest(socket)

        assert ["challenge", "refused"] == [message["t"] for message in received]
        assert Revision(0, 1) == pod.eureka.registry.configuration.revision


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("key", sorted(KEYS))
async def test_a_key_opens_only_its_own_sessions(path: str, key: str) -> None:
    """Given the key of one purpose, then it opens no session of another purpose."""
    own = {"/register": "join", "/peer": "control", "/control": "control", "/read": "read"}[path]
    async with loopback_cluster() as place, ClientSession() as session:
        address, _ = await place_with_eureka(place)
        if key == own:
            await (await open_session(session, address, path, keys=KEYS[key])).close()
            return
        with pytest.raises(AssertionError, match="proof: not valid"):
            await open_session(session, address, path, keys=KEYS[key])


async def test_a_request_with_an_origin_is_refused() -> None:
    """Given a WebSocket that a web page opens, then it is refused before the challenge."""
    async with loopback_cluster() as place, ClientSession() as session:
        address, _ = await place_with_eureka(place)
        with pytest.raises(WSServerHandshakeError) as refusal:
            await session.ws_connect(f"http://{address}:7070/read", origin="http://evil.example")

    assert 403 == refusal.value.status


@pytest.mark.parametrize("purpose", Purpose)
def test_sessions_of_one_purpose_are_limited(purpose: Purpose) -> None:
    """Given as many sessions of one purpose as there may be, then another one has no room, and those of other
    purposes have.
    """
    gate = admission.Gate(KeyFiles("/none"), "127.0.0.1")
    with ExitStack() as stack:
        for _ in range(admission.MOST_SESSIONS[purpose]):
            stack.enter_context(gate.session(purpose))
        assert [other for other in Purpose if not gate.reserve(other, "127.0.0.9")] == [purpose]

    assert gate.reserve(purpose, "127.0.0.9")
    assert 1 == gate.refused


async def test_silent_clients_of_one_address_leave_room_for_others() -> None:
    """Given an address that opens many connections and sends nothing, then more of it get 503, pods of other
    addresses register, and the connections end after the time for a proof.
    """
    async with loopback_cluster() as place, ClientSession() as session:
        address, pod = await place_with_eureka(place)
        pod.eureka.gate.proof_s = 0.5
        silent = [
            await session.ws_connect(f"http://{address}:7070/register")
            for _ in range(admission.MOST_PENDING_OF_ADDRESS)
        ]
        with pytest.raises(WSServerHandshakeError) as refusal:
            await session.ws_connect(f"http://{address}:7070/register")
        store = await place.add("db-0", "db", "store")
        await until(lambda: store.tier.ready)
        ends = [(await rest(socket))[-1]["message"] for socket in silent]

        assert 503 == refusal.value.status
        assert {"no proof within 0.5 s"} == set(ends)
        assert pod.eureka.gate.refused > admission.MOST_PENDING_OF_ADDRESS


async def test_connections_that_arrive_at_once_are_limited() -> None:
    """Given more connections of one address than may be pending, which arrive before the first of them is
    served, then the limit holds; it is free again after their handshakes.
    """
    gate = admission.Gate(KeyFiles("/nowhere"), "127.0.0.1")
    reserved = [gate.reserve(Purpose.JOIN, "127.0.0.9") for _ in range(admission.MOST_PENDING_OF_ADDRESS + 1)]
    assert [False] == reserved[-1:]
    assert all(reserved[:-1])
    assert gate.reserve(Purpose.JOIN, "127.0.0.8")

    assert not await gate.admit(cast(WebSocket, Silent()), Purpose.JOIN, "127.0.0.9")
    assert gate.reserve(Purpose.JOIN, "127.0.0.9")
    assert not gate.reserve(Purpose.JOIN, "127.0.0.9")


class Silent:
    """A WebSocket of a client that sends nothing until its connection is closed."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    def send(self, message: dict[str, Any]) -> None:
        """Drop a message."""

    def close(self) -> None:
        """End the connection."""
        self.closed.set()

    async def receive_texts(self) -> list[str]:
        """Wait for the end of the connection."""
        await self.closed.wait()
        raise LinkError("closed")


async def test_the_oldest_silent_client_makes_room_for_a_newcomer(tmp_path: Any) -> None:
    """Given silent clients of many addresses up to the limit, then a newcomer is not refused: the one that
    has waited longest is closed.
    """
    gate = admission.Gate(KeyFiles(write_keys(str(tmp_path))), "127.0.0.1")
    sockets, tasks = [], []
    for number in range(admission.MOST_PENDING):
        source = f"127.0.{number // admission.MOST_PENDING_OF_ADDRESS}.1"
        assert gate.reserve(Purpose.JOIN, source)
        sockets.append(Silent())
        admitting = gate.admit(cast(WebSocket, sockets[-1]), Purpose.JOIN, source)
        tasks.append(asyncio.create_task(admitting))
    await asyncio.sleep(0)
    for closed in (1, 2):
        assert gate.reserve(Purpose.JOIN, f"127.9.9.{closed}")
        await asyncio.sleep(0)
        assert closed == sum(socket.closed.is_set() for socket in sockets)
    assert all(socket.closed.is_set() for socket in sockets[:2])

    for socket in sockets:
        socket.close()
    assert not any(await asyncio.gather(*tasks))


async def test_a_living_uid_is_bound_to_its_address() -> None:
    """Given a registered pod, when another client with the join key registers its UID, then that is refused
    and callers keep the genuine address.
    """
    async with loopback_cluster() as place, ClientSession() as session:
        address, pod = await place_with_eureka(place)
        store = await place.add("db-0", "db", "store")
        await until(lambda: store.tier.ready)
        genuine = pod.eureka.registry.entries.known["db-0"]
        start = genuine.registration[0] + 1_000
        for claimed in ("127.0.0.1", genuine.address):
            thief = Hello(PROTOCOL, "db-0", "n", "db", "store", "1.0.0", "r", "a", claimed, 1, (start, 1))
            async with await open_session(session, address, "/register") as socket:
                await socket.send_json({"t": "hello", "hello": encode(thief)})
                (refusal,) = await rest(socket)
            assert "'db-0' is registered from another address" in refusal["message"]

        assert genuine == pod.eureka.registry.entries.known["db-0"]


async def test_a_living_uid_is_bound_at_every_eureka() -> None:
    """Given a pod that is registered at one eureka, when another client with the join key registers its UID
    at another eureka, at another port, as another tier or unchanged, then each is refused, and callers keep
    the genuine entry.
    """
    async with loopback_cluster() as place:
        pods = [await place.add_eureka(zone, configuration(*TIERS, zones="ab")) for zone in "ab"]
        store = await place.add("db-0", "db", "store")
        await until(lambda: all("db-0" in pod.eureka.registry.entries.known for pod in pods))
        (address,) = place.names["arch-eureka-b.default"]
        genuine = pods[1].eureka.registry.entries.known["db-0"]
        later = replace(genuine, registration=(genuine.registration[0] + 1_000, 1))
        refusals = []
        for thief, source in (
            (replace(later, port=1), store.settings.address),
            (replace(later, tier="web"), store.settings.address),
            (later, "127.0.0.1"),
        ):
            connector = TCPConnector(local_addr=(source, 0))
            async with (
                ClientSession(connector=connector) as session,
                await open_session(session, address, "/register") as socket,
            ):
                await socket.send_json({"t": "hello", "hello": encode(thief)})
                refusals += [answer["message"] for answer in await rest(socket)]

        assert ["with another tier", "with another tier", "from another address"] == [
            re.findall("registered (.*? (?:tier|address))", refusal)[0] for refusal in refusals
        ]
        assert all(genuine == pod.eureka.registry.entries.known["db-0"] for pod in pods)


async def test_keys_are_rotated_while_pods_run(tmp_path: Any) -> None:
    """Given a key of a new epoch that reaches the eureka first and pods later, then clients of this epoch and
    of the one before are admitted, and those of an older one are not.
    """
    root = str(tmp_path)
    join = {epoch: EpochKey(epoch, bytes([epoch] * 32)) for epoch in (1, 2, 3)}
    write_keys(root, KEYS | {"join": (join[2], join[1])})
    async with loopback_cluster() as place, ClientSession() as session:
        await place.add_eureka("a", configuration(*TIERS), SPIKO_VOLUMES_ROOT=root)
        await asyncio.sleep(0.05)
        address = place.names["arch-eureka-a.default"][0]
        await (await open_session(session, address, "/register", keys=(join[2], join[1]))).close()
        write_keys(root, KEYS | {"join": (join[3], join[2])})
        await (await open_session(session, address, "/register", keys=(join[2], join[1]))).close()
        await (await open_session(session, address, "/register", keys=(join[3], join[2]))).close()
        async with session.ws_connect(f"http://{address}:7070/register") as socket:
            challenge = await socket.receive_json()

    assert [3, 2] == challenge["epochs"]
    with pytest.raises(ValueError, match="no key in common"):
        prove(challenge, Purpose.JOIN, address, (join[1],), "0" * 32)
