"""Custom kinds with several versions: an object can be read and changed through each of them."""

from __future__ import annotations

from typing import Any

import pytest

from devserver_support.custom_kinds import CRD, GROUP, custom, define, definition, path_of, version
from devserver_support.servers import Server

MERGE, JSON, APPLY = (
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/apply-patch+yaml",
)
SIZE: dict[str, Any] = {"size": {"type": "integer"}, "replicas": {"type": "integer"}}
TEXT = {"type": "string"}


def spec_of(**more: Any) -> dict[str, Any]:
    """A schema of a spec."""
    return {"type": "object", "properties": SIZE | more}


@pytest.fixture(scope="session")
def two(server: Server) -> Server:
    """The server, with a kind of two versions."""
    old = version("v1beta1", spec_of(old=TEXT, kept={"type": "string", "default": "k"}), storage=True)
    define(server, "two", old, version("v1", spec_of(new=TEXT)))
    return server


def test_an_object_is_shown_in_the_requested_version(two: Server) -> None:
    """Given two versions, when an object is read by get, list or watch, then it has the requested version's
    fields.
    """
    assert (
        201
        == two.ask(
            "POST", path_of("v1beta1", "two"), custom("v1beta1", "two", "a", {"size": 1, "old": "x"})
        ).status
    )
    one = two.ask("GET", path_of("v1", "two", "a")).body
    (listed,) = (
        item for item in two.ask("GET", path_of("v1", "two")).body["items"] if item["metadata"]["name"] == "a"
    )
    after = int(one["metadata"]["resourceVersion"]) - 1
    (event,) = two.ask(
        "GET", f"{path_of('v1', 'two')}?watch=true&resourceVersion={after}&timeoutSeconds=1"
    ).body

    assert (f"{GROUP}/v1", {"size": 1}) == (one["apiVersion"], one["spec"])
    assert one == listed == event["object"]


def test_an_object_is_stored_in_the_storage_version(two: Server) -> None:
    """Given an object of another version, when it is stored, then it has the storage version's defaults and
    fields.
    """
    made = two.ask("POST", path_of("v1", "two"), custom("v1", "two", "b", {"size": 1, "new": "x"}))
    there = two.ask("GET", path_of("v1beta1", "two", "b")).body

    assert (201, f"{GROUP}/v1", {"size": 1}) == (made.status, made.body["apiVersion"], made.body["spec"])
    assert (f"{GROUP}/v1beta1", {"size": 1, "kept": "k"}) == (there["apiVersion"], there["spec"])


@pytest.mark.parametrize(
    ("content", "patch"),
    [
        (MERGE, {"metadata": {"annotations": {"a": "b"}}}),
        (JSON, [{"op": "add", "path": "/metadata/annotations", "value": {"a": "b"}}]),
        (APPLY, {"apiVersion": f"{GROUP}/v1", "kind": "Two", "metadata": {"annotations": {"a": "b"}}}),
    ],
)
def test_an_object_is_patched_through_another_version(two: Server, content: str, patch: Any) -> None:
    """Given the patches of `kubectl annotate`, `edit` and `apply`, when they use another version, then they
    work.
    """
    name = f"p{abs(hash(content)) % 1000}"
    two.ask("POST", path_of("v1beta1", "two"), custom("v1beta1", "two", name, {"size": 1, "old": "x"}))
    answer = two.ask("PATCH", f"{path_of('v1', 'two', name)}?fieldManager=t", patch, content)

    assert (200, f"{GROUP}/v1", {"a": "b"}) == (
        answer.status,
        answer.body["apiVersion"],
        answer.body["metadata"]["annotations"],
    ), answer.body


def test_scale_and_status_work_through_another_version(two: Server) -> None:
    """Given `kubectl scale` and a controller's status, when they use another version, then they work."""
    two.ask("POST", path_of("v1beta1", "two"), custom("v1beta1", "two", "s", {"size": 1, "replicas": 1}))
    path = path_of("v1", "two", "s")

    assert 200 == two.ask("PATCH", f"{path}/scale", {"spec": {"replicas": 3}}, MERGE).status
    assert 200 == two.ask("PATCH", f"{path}/status", {"status": {"replicas": 3}}, MERGE).status
    assert (3, 3) == (
        two.ask("GET", path).body["spec"]["replicas"],
        two.ask("GET", path).body["status"]["replicas"],
    )
    assert 200 == two.ask("DELETE", path).status


def test_a_patch_does_not_change_the_version(two: Server) -> None:
    """Given a patch of apiVersion, when it is sent, then it is refused as by Kubernetes."""
    two.ask("POST", path_of("v1", "two"), custom("v1", "two", "fixed", {"size": 1}))
    answer = two.ask("PATCH", path_of("v1", "two", "fixed"), {"apiVersion": f"{GROUP}/v1beta1"}, MERGE)

    assert (422, "apiVersion") == (answer.status, answer.body["details"]["causes"][0]["field"])


def test_an_unchanged_write_migrates_the_storage_version(server: Server) -> None:
    """Given a new storage version, when an object is written unchanged, then it is migrated once."""
    define(server, "move", version("v1beta1", spec_of(), storage=True), version("v1", spec_of()))
    first = server.ask("POST", path_of("v1beta1", "move"), custom("v1beta1", "move", "m", {"size": 1})).body
    define(server, "move", version("v1beta1", spec_of()), version("v1", spec_of(), storage=True))
    path = path_of("v1", "move", "m")
    second, third = (
        server.ask("PATCH", path, {}, MERGE).body["metadata"]["resourceVersion"] for _ in range(2)
    )

    assert first["metadata"]["resourceVersion"] != second == third


def test_objects_of_an_unserved_version_are_kept(server: Server) -> None:
    """Given a storage version that is not served, when objects are read, then another version shows them."""
    define(server, "hide", version("v1beta1", spec_of(), storage=True), version("v1", spec_of()))
    server.ask(
        "POST", path_of("v1beta1", "hide"), custom("v1beta1", "hide", "h", {"size": 1}, finalizers=["x.y/z"])
    )
    hidden = version("v1beta1", spec_of(), storage=True, served=False)
    server.ask(
        "PATCH", f"{CRD}/hides.{GROUP}", {"spec": {"versions": [hidden, version("v1", spec_of())]}}, MERGE
    )
    while server.ask("GET", path_of("v1beta1", "hide")).status == 200:
        pass

    assert 200 == server.ask("GET", path_of("v1", "hide", "h")).status
    assert (
        200
        == server.ask("PATCH", path_of("v1", "hide", "h"), {"metadata": {"finalizers": None}}, MERGE).status
    )


def test_conversion_by_a_webhook_is_refused_by_name(server: Server) -> None:
    """Given conversion by a webhook, when the definition is created, then it is refused and the message says
    why.
    """
    hook = {
        "strategy": "Webhook",
        "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://x"}},
    }
    answer = server.ask(
        "POST", CRD, definition("hook", version("v1", spec_of(), storage=True), conversion=hook)
    )

    assert (422, "spec.conversion.strategy") == (answer.status, answer.body["details"]["causes"][0]["field"])
    assert "webhooks" in answer.body["message"]
