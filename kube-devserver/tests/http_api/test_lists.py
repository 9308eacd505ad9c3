"""Lists are sent whole, of the present version."""

from __future__ import annotations

import pytest

from devserver_support.servers import Server

CM = "/api/v1/namespaces/lists/configmaps"


@pytest.fixture(scope="session")
def maps(server: Server) -> Server:
    """The server, with three ConfigMaps in a namespace of these tests."""
    assert 201 == server.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "lists"}}).status
    for name in "abc":
        server.ask("POST", CM, {"metadata": {"name": name, "labels": {"n": name}}})
    return server


@pytest.mark.parametrize(
    "query", ["", "limit=1", "limit=-1", "limit=1&resourceVersion=0", "resourceVersion=1"]
)
def test_a_list_is_whole_whatever_the_limit(maps: Server, query: str) -> None:
    """Given a limit or an older version, when a list is read, then it has all objects and no token."""
    body = maps.ask("GET", f"{CM}?{query}&labelSelector=n").body

    assert ["a", "b", "c"] == [item["metadata"]["name"] for item in body["items"]]
    assert "continue" not in body["metadata"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("resourceVersion=1&resourceVersionMatch=Exact", 410),
        ("resourceVersion=1&limit=1", 410),
        ("continue=token", 410),
        ("resourceVersion=1000000000000", 504),
        ("resourceVersion=x", 400),
        ("limit=x", 400),
        ("resourceVersionMatch=Exact", 422),
        ("sendInitialEvents=true", 422),
    ],
)
def test_a_version_that_cannot_be_listed_is_refused(maps: Server, query: str, code: int) -> None:
    """Given an exact old version, a token or a future version, when a list is read, then the client is told
    to list again.
    """
    assert code == maps.ask("GET", f"{CM}?{query}").status


def test_the_present_version_can_be_listed_exactly(maps: Server) -> None:
    """Given the version of a list, when exactly that version is read, then the answer is the same."""
    first = maps.ask("GET", CM).body
    version = first["metadata"]["resourceVersion"]

    assert first == maps.ask("GET", f"{CM}?resourceVersion={version}&resourceVersionMatch=Exact").body
