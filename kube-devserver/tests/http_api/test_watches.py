"""Watches: bookmarks, announced ends, and clients that do not read."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
from typing import Any

import pytest

from devserver_support.servers import Server, own_home
from kube_devserver.api.responses import MOST_STUCK_S

CM = "/api/v1/namespaces/watches/configmaps"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
INITIAL = "allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"


@pytest.fixture(scope="session")
def maps(server: Server) -> Server:
    """The server, with a namespace of these tests."""
    assert 201 == server.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "watches"}}).status
    return server


def watched(server: Server, query: str, accept: str = "application/json") -> list[Any]:
    """The events of a watch until it ends."""
    found: list[Any] = server.ask("GET", f"{CM}?watch=true&{query}", accept=accept).body
    return found


def version_of(server: Server) -> str:
    """The present resource version."""
    return str(server.ask("GET", CM).body["metadata"]["resourceVersion"])


def test_a_bookmark_comes_before_the_end(maps: Server) -> None:
    """Given many events, when a watch is about to end, then a bookmark comes in time."""
    done = threading.Event()

    def write() -> None:
        while not done.wait(0.05):
            for name in ("busy", "other"):
                maps.ask("POST", CM, {"metadata": {"name": name}})
                maps.ask("DELETE", f"{CM}/{name}")

    writer = threading.Thread(target=write)
    writer.start()
    after = version_of(maps)
    try:
        told = watched(
            maps,
            f"resourceVersion={after}&timeoutSeconds=4&allowWatchBookmarks=true&fieldSelector=metadata.name=busy",
        )
    finally:
        done.set()
        writer.join()
    marks = [i for i, event in enumerate(told) if event["type"] == "BOOKMARK"]

    assert 1 == len(marks)
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in told]
    assert versions == sorted(versions)
    assert {"busy"} == {event["object"]["metadata"]["name"] for event in told if event["type"] != "BOOKMARK"}


def test_bookmarks_have_the_form_of_the_watch(maps: Server) -> None:
    """Given a watch of metadata or of a Table, when a bookmark comes, then it has the same form."""
    partial = watched(maps, f"{INITIAL}&timeoutSeconds=1", PARTIAL)[-1]["object"]
    table = watched(maps, f"{INITIAL}&timeoutSeconds=1", TABLE)[-1]["object"]

    assert ("PartialObjectMetadata", "meta.k8s.io/v1") == (partial["kind"], partial["apiVersion"])
    assert "true" == partial["metadata"]["annotations"]["k8s.io/initial-events-end"]
    assert ("Table", "PartialObjectMetadata") == (table["kind"], table["rows"][0]["object"]["kind"])


def test_initial_events_can_be_declined(maps: Server) -> None:
    """Given sendInitialEvents=false, when a watch begins without a version, then existing objects are not
    sent.
    """
    maps.ask("POST", CM, {"metadata": {"name": "there"}})

    assert [] == watched(maps, "sendInitialEvents=false&resourceVersionMatch=NotOlderThan&timeoutSeconds=1")
    assert [] != watched(maps, "timeoutSeconds=1")


def test_a_future_version_is_refused(maps: Server) -> None:
    """Given a version of an earlier cluster, when a watch begins there, then the client has to list again."""
    (told,) = watched(maps, f"resourceVersion={10**15}&timeoutSeconds=1")
    (initial,) = watched(maps, f"{INITIAL}&resourceVersion={10**15}&timeoutSeconds=1")

    assert ("ERROR", 410) == (told["type"], told["object"]["code"])
    assert ("ERROR", 504) == (initial["type"], initial["object"]["code"])


@pytest.mark.long
def test_watches_are_limited_by_open_files() -> None:
    """Given a hundred files, when the eighty-first watch begins, then only it is refused."""
    with own_home() as own:
        own.start(files=100)
        server, opened = own.server, []
        for _ in range(81):
            connection = http.client.HTTPSConnection(
                server.host, server.port, context=server.context, timeout=20
            )
            connection.request("GET", "/api/v1/namespaces?watch=true", headers=server.headers)
            opened.append((connection, connection.getresponse()))
        refused, reply = opened.pop()
        told = json.loads(reply.read())
        made = server.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "late"}})
        first = opened[0][1]
        while "late" not in json.dumps(json.loads(first.readline())):
            pass
        for connection, _ in [(refused, None), *opened]:
            connection.close()

        assert (429, "TooManyRequests", 201) == (reply.status, told["reason"], made.status)
        assert 1 == own.log.count("80 watches are open")
        own.check_log()


def watch_without_reading(server: Server, more: dict[str, str]) -> ssl.SSLSocket:
    """A watch of ConfigMaps with small socket buffers."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.connect((server.host, server.port))
    found = server.context.wrap_socket(plain, server_hostname="127.0.0.1")
    head = "".join(f"{name}: {value}\r\n" for name, value in (server.headers | more).items())
    found.sendall(f"GET {CM}?watch=true HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
    return found


@pytest.mark.long
@pytest.mark.timeout(120)
def test_a_client_that_does_not_read_is_disconnected(maps: Server) -> None:
    """Given a stopped client, when many events come, then it is disconnected and others get all events."""
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    stuck = [
        watch_without_reading(maps, more)
        for more in ({}, upgrade | {"Sec-WebSocket-Key": "c3Bpa28gc3Bpa28gc3Bpaw=="})
    ]
    body: dict[str, Any] = {"metadata": {"name": "large"}, "data": {"x": "x" * 500_000}}
    maps.ask("POST", CM, body)
    began = time.monotonic()
    for i in range(40):
        maps.ask("PUT", f"{CM}/large", body | {"data": {"x": str(i) * 300_000}})
    after = version_of(maps)
    time.sleep(max(0.0, MOST_STUCK_S + 3 - (time.monotonic() - began)))
    for client in stuck:
        client.settimeout(5)
        read = 0
        with contextlib.suppress(OSError):  # cut off, not ended
            while data := client.recv(1 << 20):
                read += len(data)
        client.close()
        assert 0 < read < 40 * 300_000

    maps.ask("DELETE", f"{CM}/large")
    assert "DELETED" in json.dumps(watched(maps, f"resourceVersion={after}&timeoutSeconds=1"))
