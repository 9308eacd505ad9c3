"""A schema that has become stricter: what was there before and is not touched is let through, what is touched must be right."""

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
    """Before and after."""

    def strict(**rules: Any) -> dict[str, Any]:
        return rules if is_strict else {}

    part = {
        "type": "object",
        "properties": {"name": WORD, "v": {"type": "integer"} | strict(maximum=10)},
        "required": ["name"],
    }
    parts = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": part}
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
    """The server, with an object that its schema does not allow any more."""
    define(server, "rat", version("v1", schema_of(False), storage=True))
    spec = {"size": 50, "plain": ["toolong"], "tags": ["a", "a"], "parts": [{"name": "a", "v": 50}, {"name": "b", "v": 1}],
            "sub": {"a": "x"}}  # fmt: skip
    made = server.ask("POST", path_of("v1", "rat"), custom("v1", "rat", "r", spec, finalizers=["x.y/z"]))
    assert made.status in (201, 409), made.body
    define(server, "rat", version("v1", schema_of(True), storage=True))
    return server


def test_an_invalid_object_can_be_labelled_and_take_a_status(rat: Server) -> None:
    """Nothing of its spec changes; a rule that does not hold is warned of."""
    labelled = rat.ask("PATCH", PATH, {"metadata": {"labels": {"a": "b"}}}, MERGE)
    status = rat.ask("PATCH", f"{PATH}/status", {"status": {"a": "b"}}, MERGE)

    assert (200, 200) == (labelled.status, status.status), (labelled.body, status.body)
    assert '299 - "spec.sub: Invalid value: a must be y"' == labelled.headers["Warning"]


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
def test_what_is_changed_must_be_right(rat: Server, spec: dict[str, Any], field: str) -> None:
    """At the smallest place that changes: items of a list with keys are known again, those of another list are not."""
    answer = rat.ask("PATCH", f"{PATH}?dryRun=All", {"spec": spec}, MERGE)

    assert (422 if field else 200) == answer.status, answer.body
    assert not field or field == answer.body["details"]["causes"][0]["field"]


def test_an_invalid_object_can_be_deleted(server: Server, rat: Server) -> None:
    """Its finalizer is taken off, and it goes."""
    rat.ask("DELETE", PATH)

    assert 200 == rat.ask("PATCH", PATH, {"metadata": {"finalizers": None}}, MERGE).status
    assert 404 == rat.ask("GET", PATH).status


@pytest.mark.parametrize("relation", ["set", "map"])
def test_large_lists_are_checked_in_good_time(relation: str) -> None:
    """What is in a list twice is found by keys: fifty thousand items take no longer than a walk over them."""
    item: dict[str, Any] = WORD if relation == "set" else {"type": "object", "properties": {"k": WORD}}
    keys = {"x-kubernetes-list-map-keys": ["k"]} if relation == "map" else {}
    items = {"type": "array", "x-kubernetes-list-type": relation, "items": item} | keys
    node = custom_node({"type": "object", "properties": {"spec": {"type": "object", "properties": {"l": items}}}})
    texts = [str(i) for i in range(50_000)] + ["7"]
    value = {"metadata": {}, "spec": {"l": texts if relation == "set" else [{"k": each} for each in texts]}}
    began = time.process_time()
    found = check(node, value)

    assert ["spec.l[50000]"] == [cause.field for cause in found]
    assert time.process_time() - began < 5.0
