"""Lists in pieces: what is remembered between the pieces, for how long, and for whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from yarl import URL

from devserver_support.servers import Server
from kube_devserver.api.list_options import list_query, select
from kube_devserver.api_errors import StatusError
from kube_devserver.objects.resource_registry import Registry
from kube_devserver.storage.list_paging import SNAPSHOT_S, Lists
from kube_devserver.storage.store import Store

MAPS = ("", "configmaps")
CM = "/api/v1/namespaces/lists/configmaps"


class Reader:
    """Reads lists of a store with ten objects, at a time that the test sets."""

    def __init__(self) -> None:
        self.store = store = Store(None)
        for i in range(10):
            body: dict[str, Any] = {"metadata": {"name": f"m{i}", "namespace": "d", "labels": {"odd": str(i % 2)}}}
            store.put(MAPS, "d", body["metadata"]["name"], body)
        self.now_s = 0.0
        self.lists = Lists(store, lambda: self.now_s)
        found = Registry().find("", "v1", "configmaps")
        assert found is not None
        self._resource = found

    def read(self, query: str, namespace: str = "d") -> tuple[list[str], str]:
        """The names on a page, and the token for the next one."""
        asked = URL(f"/?{query}").query
        selection = select(asked, self._resource, namespace)
        entries, metadata = self.lists.page(list_query(asked), MAPS, selection)
        return [entry.body["metadata"]["name"] for entry in entries], quote(metadata.get("continue", ""))


@pytest.fixture
def reader() -> Iterator[Reader]:
    """A reader, whose store is closed at the end."""
    made = Reader()
    yield made
    made.store.close()


def test_a_list_is_forgotten_with_its_last_piece(reader: Reader) -> None:
    """Read to the end it holds nothing any more."""
    names, token = reader.read("limit=4")
    while token:
        more, token = reader.read(f"limit=4&continue={token}")
        names += more

    assert [f"m{i}" for i in range(10)] == names
    assert not reader.lists._snapshots


def test_a_list_that_nobody_goes_on_with_is_forgotten_after_a_while(reader: Reader) -> None:
    """Five minutes, as Kubernetes; a piece in between begins them anew."""
    _, token = reader.read("limit=4")
    reader.now_s = SNAPSHOT_S - 1
    _, token = reader.read(f"limit=4&continue={token}")
    reader.now_s = 2 * SNAPSHOT_S - 2
    reader.read("limit=1&labelSelector=none")
    assert 1 == len(reader.lists._snapshots)
    reader.now_s = 2 * SNAPSHOT_S
    with pytest.raises(StatusError) as caught:
        reader.read(f"limit=4&continue={token}")

    assert 410 == caught.value.code
    assert not reader.lists._snapshots


@pytest.mark.parametrize(
    ("query", "namespace"), [("", "other"), ("&labelSelector=odd%3D1", "d"), ("&fieldSelector=metadata.name%3Dm1", "d")]
)
def test_a_token_continues_its_own_list_only(reader: Reader, query: str, namespace: str) -> None:
    """Not one of another namespace or selector."""
    _, token = reader.read("limit=4")
    with pytest.raises(StatusError, match="another resource, namespace or selector"):
        reader.read(f"limit=4&continue={token}{query}", namespace)


@pytest.mark.parametrize("query", ["limit=-1", "limit=0", "limit=3&resourceVersion=0", "limit=10"])
def test_some_limits_are_none(reader: Reader, query: str) -> None:
    """All of it at once, and nothing to go on with."""
    names, token = reader.read(query)

    assert (10, "") == (len(names), token)


def test_a_version_and_a_token_exclude_each_other(server: Server) -> None:
    """A token has its own version."""
    assert 201 == server.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "lists"}}).status
    for name in "abc":
        server.ask("POST", CM, {"metadata": {"name": name}})
    token = quote(server.ask("GET", f"{CM}?limit=2").body["metadata"]["continue"])

    assert 400 == server.ask("GET", f"{CM}?limit=2&resourceVersion=1&continue={token}").status
    assert 400 == server.ask("GET", f"/api/v1/namespaces/lists/secrets?limit=2&continue={token}").status
    assert "c" == server.ask("GET", f"{CM}?continue={token}").body["items"][0]["metadata"]["name"]
