"""Full lists of several namespaces, one of which the operator may not list."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast

import pytest

from spiko_operator import full_lists
from spiko_operator.cluster.cache import Cache
from spiko_operator.cluster.client import Client, Snapshot
from spiko_operator.errors import Forbidden
from spiko_operator.full_lists import WATCHED, FullLists
from spiko_operator.settings import Settings

Object = dict[str, Any]


def architecture(namespace: str, name: str = "shop", version: int = 5) -> Object:
    """Return an Architecture."""
    metadata = {"name": name, "namespace": namespace, "uid": f"{namespace}-{name}"}
    return {"metadata": metadata | {"resourceVersion": str(version)}}


class Api:
    """Lists Architectures; `forbidden` has namespace and kind of what may not be listed."""

    def __init__(self, *objects: Object) -> None:
        self.objects = list(objects)
        self.forbidden: set[tuple[str | None, str]] = set()
        self.asked: list[tuple[str | None, str]] = []

    async def snapshot(self, kind: str, namespace: str | None = None, labels: str = "") -> Snapshot:
        """Return the objects of one kind."""
        self.asked.append((namespace, kind))
        if (namespace, kind) in self.forbidden:
            raise Forbidden(f"GET {kind}: 403: no", f"cannot list resource in {namespace}")
        found = [o for o in self.objects if namespace in (None, o["metadata"]["namespace"])]
        return Snapshot([dict(o) for o in found] if kind == "Architecture" else [], "9")


class Lists:
    """Full lists that record what they report."""

    def __init__(self, api: Api, *namespaces: str) -> None:
        self.cache = Cache()
        self.changed: list[tuple[str, str]] = []
        self.opened: list[str | None] = []
        self.closed: list[str | None] = []
        self.lists = FullLists(
            cast(Client, api),
            self.cache,
            Settings("image", "direct", None, 60.0, namespaces),
            lambda kind, body: self.changed.append((body["metadata"]["namespace"], kind)),
            self.opened.append,
            self.closed.append,
        )


async def test_namespace_without_permissions_does_not_stop_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Given two namespaces, one without the permission to list Deployments, then the other one is open, and
    one warning names namespace, verb, resource and remedy, however often it is tried.
    """
    api = Api(architecture("demo"), architecture("later"))
    api.forbidden = {("later", "Deployment")}
    made = Lists(api, "later", "demo")
    for _ in range(3):
        await made.lists.run()

    assert (made.lists.is_open("demo"), made.lists.is_open("later")) == (True, False)
    assert (made.opened, made.changed) == (["demo"], [])
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == (
        "namespace 'later': no permission to list deployments, nothing is reconciled there: bind the "
        "operator's Role there, or remove the namespace from SPIKO_NAMESPACES; retrying: cannot list "
        "resource in later"
    )


async def test_namespace_is_opened_when_its_permissions_exist(caplog: pytest.LogCaptureFixture) -> None:
    """Given a namespace without permissions, then it is tried with pauses that grow, and opened once all
    kinds can be listed; when the permissions are gone, it is closed and reported once more.
    """
    api = Api(architecture("later"))
    api.forbidden = {("later", "Pod")}
    made = Lists(api, "later")
    await made.lists.run()
    api.asked.clear()
    await made.lists.retry_forbidden()
    assert api.asked == []
    await asyncio.sleep(full_lists.FIRST_RETRY_S)
    await made.lists.retry_forbidden()
    assert len(api.asked) == len(WATCHED)
    await asyncio.sleep(full_lists.FIRST_RETRY_S)
    await made.lists.retry_forbidden()
    assert len(api.asked) == len(WATCHED)  # the second pause is longer
    api.forbidden.clear()
    with caplog.at_level(logging.INFO):
        await asyncio.sleep(full_lists.FIRST_RETRY_S)
        await made.lists.retry_forbidden()
    assert (made.opened, made.closed) == (["later"], [])
    api.objects.append(architecture("later", "new"))
    await made.lists.run()
    assert made.changed == [("later", "Architecture")]
    api.forbidden = {("later", "Fault")}
    await made.lists.run()
    await made.lists.run()
    assert made.closed == ["later"]
    assert not made.lists.is_open("later")

    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "WARNING"]


async def test_all_namespaces_are_one_list(caplog: pytest.LogCaptureFixture) -> None:
    """Given no list of namespaces, then all are open once they could be listed, and the warning before has
    the remedy for that case.
    """
    api = Api(architecture("a"), architecture("b"))
    api.forbidden = {(None, "Architecture")}
    made = Lists(api)
    await made.lists.run()
    assert not made.lists.is_open("a")
    api.forbidden.clear()
    await made.lists.run()

    assert made.lists.is_open("a")
    assert made.opened == [None]
    assert "all namespaces: no permission to list architectures" in caplog.text
    assert "bind the operator's ClusterRole to its service account, or set SPIKO_NAMESPACES" in caplog.text
