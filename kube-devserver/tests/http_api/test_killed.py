"""A server that is killed during writes keeps what it acknowledged, and its versions never repeat."""

from __future__ import annotations

import http.client
import json
import random
import threading
from typing import Any

import pytest

from devserver_support.servers import Own, Server, own_home

CM = "/api/v1/namespaces/default/configmaps"
WRITERS, ROUNDS, NAMES = 4, 5, 20
GONE = (OSError, http.client.HTTPException, ValueError)  # the ways in which a connection ends with the server


class Writer(threading.Thread):
    """Creates, changes and deletes its own objects, and notes what was acknowledged, until the server has
    gone.

    Args:
        server: to write to.
        number: of the writer.
        source: of randomness.
        known: of its objects: the version last acknowledged, None after a delete; "?" while an answer is
            awaited.
    """

    def __init__(
        self, server: Server, number: int, source: random.Random, known: dict[str, tuple[int | None, str]]
    ) -> None:
        super().__init__(daemon=True)
        self._server, self._number, self._random, self.known = server, number, source, known
        self.maybe: set[str] = set()
        self.writes = 0

    def run(self) -> None:
        """Write until the server does not answer."""
        while True:
            name = f"w{self._number}-{self._random.randrange(NAMES)}"
            value = str(self._random.random())
            self.maybe.add(name)
            try:
                self._write(name, value)
            except GONE:
                return
            self.maybe.discard(name)
            self.writes += 1

    def _write(self, name: str, value: str) -> None:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"value": value}}
        version = self.known.get(name, (None, ""))[0]
        if version is None:
            answer = self._server.ask("POST", CM, body)
        elif self._random.random() < 0.2:
            answer = self._server.ask("DELETE", f"{CM}/{name}")
            assert answer.status == 200, answer.body
            self.known[name] = (None, "")
            return
        else:
            answer = self._server.ask("PUT", f"{CM}/{name}", body)
        assert answer.status in (200, 201), answer.body
        self.known[name] = (int(answer.body["metadata"]["resourceVersion"]), value)


def follow(server: Server, after: str, events: list[dict[str, Any]]) -> None:
    """Note a watch's events until the server has gone."""
    connection = http.client.HTTPSConnection(server.host, server.port, context=server.context, timeout=30)
    try:
        connection.request("GET", f"{CM}?watch=true&resourceVersion={after}", headers=server.headers)
        reply = connection.getresponse()
        while line := reply.readline():
            events.append(json.loads(line))
    except GONE:
        pass
    finally:
        connection.close()


@pytest.mark.long
@pytest.mark.timeout(300)
def test_acknowledged_writes_survive() -> None:
    """Given four writers, when the server is killed five times, then acknowledged writes stay and watches
    must list again.
    """
    source = random.Random(1)
    known: list[dict[str, tuple[int | None, str]]] = [{} for _ in range(WRITERS)]
    highest = 0
    with own_home() as own:
        own.start()
        for _ in range(ROUNDS):
            listed = own.server.ask("GET", CM).body["metadata"]["resourceVersion"]
            assert int(listed) >= highest
            highest = max(highest, _round(own, source, known, listed))
        own.check_log()


def _round(
    own: Own, source: random.Random, known: list[dict[str, tuple[int | None, str]]], listed: str
) -> int:
    """Write, kill, start again and compare; returns the highest version that a client received."""
    events: list[dict[str, Any]] = []
    watcher = threading.Thread(target=follow, args=(own.server, listed, events), daemon=True)
    watcher.start()
    writers = [Writer(own.server, i, random.Random(source.random()), known[i]) for i in range(WRITERS)]
    for writer in writers:
        writer.start()
    enough = source.randrange(20, 120)
    while sum(writer.writes for writer in writers) < enough:
        assert all(writer.is_alive() for writer in writers), "a writer got an answer that it did not expect"
        writers[0].join(0.01)
    own.kill()
    for thread in (*writers, watcher):
        thread.join(30)
    own.start()
    body = own.server.ask("GET", CM).body
    there = {item["metadata"]["name"]: item for item in body["items"]}
    for writer in writers:
        _compare(writer, there)
    told = [
        int(event["object"]["metadata"]["resourceVersion"]) for event in events if event["type"] != "ERROR"
    ]
    assert told == sorted(set(told))
    _resume(own.server, listed, body["metadata"]["resourceVersion"])
    versions = [version for each in known for version, _ in each.values() if version]
    return max([int(body["metadata"]["resourceVersion"]), *told, *versions])


def _compare(writer: Writer, there: dict[str, Any]) -> None:
    for name, (version, value) in list(writer.known.items()):
        found = there.get(name)
        if name in writer.maybe:  # the answer was lost with the server: either is right
            writer.known[name] = (
                (None, "")
                if found is None
                else (int(found["metadata"]["resourceVersion"]), found["data"]["value"])
            )
        elif version is None:
            assert found is None, f"{name} was deleted, and is back"
        else:
            assert found is not None, f"{name} is lost"
            assert (version, value) == (int(found["metadata"]["resourceVersion"]), found["data"]["value"])
    for name in writer.maybe - writer.known.keys():
        if name in there:
            writer.known[name] = (
                int(there[name]["metadata"]["resourceVersion"]),
                there[name]["data"]["value"],
            )


def _resume(server: Server, listed: str, now: str) -> None:
    """History ends with the process: a watch from before it is told to list again, one from the present
    version goes on.
    """
    (told,) = server.ask("GET", f"{CM}?watch=true&resourceVersion={listed}&timeoutSeconds=1").body
    assert ("ERROR", 410) == (told["type"], told["object"]["code"])
    server.ask("POST", CM, {"metadata": {"name": f"after-{now}"}})
    (told,) = server.ask("GET", f"{CM}?watch=true&resourceVersion={now}&timeoutSeconds=1").body
    assert ("ADDED", f"after-{now}") == (told["type"], told["object"]["metadata"]["name"])
