"""Ratcheting: unchanged parts of an object may stay invalid when a schema became stricter."""

from __future__ import annotations

import time
from typing import Any

import pytest

from devserver_support.custom_kinds import custom, define, path_of, version
from devserver_support.servers import Server
from kube_devserver.custom.custom_resources import check
from kube_devserver.objects.schema import custom_node

MERGE = "application/merge-patch+json"
PATH = path_of("v1", "rat", "r")
WORD = {"type": "string"}


def schema_of(is_strict: bool) -> dict[str, Any]:
    """The schema before and after it became stricter."""

    def strict(**rules: Any) -> dict[str, Any]:
        return rules if is_strict else {}

    part = {
        "type": "object",
        "properties": {"name": WORD, "v": {"type": "integer"} | strict(maximum=10)},
        "required": ["name"],
    }
    parts = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": part,
    }
    rule = {"rule": "self.a == 'y'", "message": "a must be y"}
    properties = {
        "size": {"type": "integer"} | strict(maximum=10),
        "other": {"type": "integer"},
        "parts": parts,
        "plain": {"type": "array", "items": WORD | strict(maxLength=3)},
        "tags": {"type": "array", "items": WORD} | strict(**{"x-kubernetes-list-type": "set"}),
        "sub": {"type": "object", "properties": {"a": WORD, "b": WORD}}
        | strict(required=["b"], **{"x-kubernetes-validations": [rule]}),
    }
    return {"type": "object", "properties": properties}


@pytest.fixture
def rat(server: Server) -> Server:
    """The server, with an object that its schema does not allow any longer."""
    define(server, "rat", version("v1", schema_of(False), storage=True))
    spec = {"size": 50, "plain": ["toolong"], "tags": ["a", "a"],
            "parts": [{"name": "a", "v": 50}, {"name": "b", "v": 1}],
            "sub": {"a": "x"}}  # fmt: skip
    made = server.ask("POST", path_of("v1", "rat"), custom("v1", "rat", "r", spec, finalizers=["x.y/z"]))
    assert made.status in (201, 409), made.body
    define(server, "rat", version("v1", schema_of(True), storage=True))
    return server


def test_an_invalid_object_can_be_labeled_and_get_a_status(rat: Server) -> None:
    """Given an unchanged invalid spec, when labels or status change, then a broken rule is a warning."""
    labeled = rat.ask("PATCH", PATH, {"metadata": {"labels": {"a": "b"}}}, MERGE)
    status = rat.ask("PATCH", f"{PATH}/status", {"status": {"a": "b"}}, MERGE)

    assert (200, 200) == (labeled.status, status.status), (labeled.body, status.body)
    assert '299 - "spec.sub: Invalid value: a must be y"' == labeled.headers["Warning"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"other": 1}, ""),
        ({"size": 5}, ""),
        ({"size": 51}, "spec.size"),
        ({"parts": [{"name": "b", "v": 2}, {"name": "a", "v": 50}]}, ""),
        ({"parts": [{"name": "b", "v": 2}, {"name": "a", "v": 51}]}, "spec.parts[1].v"),
        ({"plain": ["toolong", "b"]}, "spec.plain[0]"),
        ({"tags": ["a", "a", "b"]}, ""),
        ({"sub": {"a": "z"}}, "spec.sub.b"),
        ({"sub": {"b": "z"}}, "spec.sub"),
    ],
)
def test_changed_parts_must_be_valid(rat: Server, spec: dict[str, Any], field: str) -> None:
    """Given an invalid object, when one field changes, then the smallest changed part must be valid."""
    answer = rat.ask("PATCH", f"{PATH}?dryRun=All", {"spec": spec}, MERGE)

    assert (422 if field else 200) == answer.status, answer.body
    assert not field or field == answer.body["details"]["causes"][0]["field"]


def test_an_invalid_object_can_be_deleted(server: Server, rat: Server) -> None:
    """Given an invalid object with a finalizer, when the finalizer is removed, then the object is deleted."""
    rat.ask("DELETE", PATH)

    assert 200 == rat.ask("PATCH", PATH, {"metadata": {"finalizers": None}}, MERGE).status
    assert 404 == rat.ask("GET", PATH).status


@pytest.mark.parametrize("relation", ["set", "map"])
def test_large_lists_are_checked_in_bounded_time(relation: str) -> None:
    """Given fifty thousand items, when old and new are compared, then items are found by their keys."""
    item: dict[str, Any] = WORD if relation == "set" else {"type": "object", "properties": {"k": WORD}}
    keys = {"x-kubernetes-list-map-keys": ["k"]} if relation == "map" else {}
    items = {"type": "array", "x-kubernetes-list-type": relation, "items": item} | keys
    node = custom_node(
        {"type": "object", "properties": {"spec": {"type": "object", "properties": {"l": items}}}}
    )
    texts = [str(i) for i in range(50_000)] + ["7"]
    value = {"metadata": {}, "spec": {"l": texts if relation == "set" else [{"k": each} for each in texts]}}
    began = time.process_time()
    found = check(node, value)

    assert ["spec.l[50000]"] == [cause.field for cause in found]
    assert time.process_time() - began < 5.0
