"""Hostile requests: each is refused or served in bounded time, and never with an internal error."""

from __future__ import annotations

import gzip
import json
import socket
import time
from typing import Any
from urllib.parse import quote

import pytest

from devserver_support.servers import TOKEN, Answer, Server
from kube_devserver.custom import patterns

CM = "/api/v1/namespaces/default/configmaps"
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
JSON_PATCH, STRATEGIC = "application/json-patch+json", "application/strategic-merge-patch+json"
MOST_S = 10.0  # a moment, on a machine that is busy with something else
WRONG: list[Any] = [
    None,
    True,
    1,
    -1,
    1.5,
    "",
    "x",
    [],
    [1],
    {},
    {"a": 1},
    [{}],
    [None],
    10**30,
    "a" * 300,
    "\x00",
]


def ask(
    server: Server, method: str, path: str, body: Any = None, content: str = "application/json"
) -> Answer:
    """Send a request that must be answered in bounded time without an internal error."""
    began = time.monotonic()
    answer = server.ask(method, path, body, content)
    # a few of Kubernetes' own answers have this code and no reason; a version that is too large is 504 there,
    # too
    assert answer.status in (504, *range(500)) or answer.code_only, (
        f"{method} {path[:80]} {str(body)[:200]}: {answer.body}"
    )
    assert time.monotonic() - began < MOST_S
    return answer


@pytest.mark.parametrize(
    "name",
    ["name", "namespace", "labels", "annotations", "finalizers", "ownerReferences", "managedFields",
     "resourceVersion", "uid",
     "creationTimestamp", "deletionTimestamp", "generation"],
)  # fmt: skip
def test_wrong_types_in_metadata(server: Server, name: str) -> None:
    """Given any JSON in a field of the metadata, when it is created or patched, then it is handled."""
    ask(server, "POST", CM, {"metadata": {"name": "wrong"}})
    for value in WRONG:
        ask(server, "POST", f"{CM}?dryRun=All", {"metadata": {"name": "other", name: value}})
        for content in ("application/merge-patch+json", "application/apply-patch+yaml"):
            ask(
                server, "PATCH", f"{CM}/wrong?dryRun=All&fieldManager=x", {"metadata": {name: value}}, content
            )


BODIES = {
    "3 MB": b'{"metadata":{"name":"big"},"data":{"a":"' + b"x" * (3 << 20) + b'"}}',
    "deep maps": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep lists": b"[" * 1_000_000,
    "twice": b'{"metadata":{"name":"twice","name":"thrice"},"data":{"a":"1","a":"2"}}',
    "no UTF-8": b'{"metadata":{"name":"\xff\xfe"}}',
    "half a character": b'{"metadata":{"name":"s","labels":{"a":"\\ud800"}}}',
    "no number": b'{"metadata":{"name":"nan"},"data":NaN}',
    "nothing": b"",
}


@pytest.mark.parametrize("name", BODIES)
def test_invalid_bodies(server: Server, name: str) -> None:
    """Given a body that is too large, too deep or not JSON, when it is sent, then it is refused."""
    ask(server, "POST", CM, BODIES[name])


def test_a_yaml_bomb_is_refused(server: Server) -> None:
    """Given 9^7 references in 300 bytes of YAML, when it is sent, then it is refused."""
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"] + [
        f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 8)
    ]
    text = "\n".join([*lines, "metadata: {name: bomb}"]).encode()

    assert 400 == ask(server, "POST", CM, text, "application/yaml").status
    assert 400 == ask(server, "POST", CM, b"&a [*a]", "application/yaml").status


@pytest.mark.long
def test_a_compressed_bomb_is_refused(server: Server) -> None:
    """Given 100 MB in 100 kB of gzip, or invalid gzip, when it is sent, then it is refused."""
    import http.client

    for data in (gzip.compress(b'{"a":"' + b"a" * (100 << 20) + b'"}'), b"\x1f\x8b\x08\x00garbage", b"{}"):
        connection = http.client.HTTPSConnection(server.host, server.port, context=server.context, timeout=20)
        headers = {
            "Authorization": f"Bearer {TOKEN}",
            "Content-Encoding": "gzip",
            "Content-Type": "application/json",
        }
        connection.request("POST", CM, data, headers)
        assert 400 <= connection.getresponse().status < 500
        connection.close()


def test_a_patch_bomb_is_refused(server: Server) -> None:
    """Given forty copies of an object into itself, when the patch is sent, then it is refused."""
    ask(server, "POST", CM, {"metadata": {"name": "copied"}, "data": {"a": "x" * 1000}})
    for origin in ("/data", ""):
        bomb = [{"op": "copy", "from": origin, "path": f"/data/k{i}"} for i in range(40)]

        assert 422 == ask(server, "PATCH", f"{CM}/copied", bomb, JSON_PATCH).status


@pytest.mark.parametrize(
    "step",
    [1, None, "x", {"op": 1}, {"op": "add"}, {"op": "add", "path": 1}, {"op": "add", "path": "x", "value": 1},
     {"op": "bogus", "path": "/a"},
     {"op": "move", "from": "/data", "path": "/data/x"}, {"op": "remove", "path": ""},
     {"op": "replace", "path": "", "value": 3},
     {"op": "copy", "path": "/data/x"}, {"op": "copy", "from": 3, "path": "/data/x"},
     {"op": "add", "path": "/data/~2", "value": "3"}],
)  # fmt: skip
def test_invalid_steps_of_a_json_patch(server: Server, step: Any) -> None:
    """Given an invalid step, when the patch is sent, then the answer is a client error."""
    ask(server, "POST", CM, {"metadata": {"name": "stepped"}, "data": {"a": "b"}})

    assert 400 <= ask(server, "PATCH", f"{CM}/stepped", [step], JSON_PATCH).status < 500


@pytest.mark.parametrize(
    "directive",
    ["$patch", "$retainKeys", "$setElementOrder/finalizers", "$deleteFromPrimitiveList/finalizers"],
)
def test_invalid_directives_of_a_strategic_patch(server: Server, directive: str) -> None:
    """Given any JSON as a directive, when the patch is sent, then it is handled."""
    ask(server, "POST", CM, {"metadata": {"name": "directed"}})
    for value in WRONG:
        ask(server, "PATCH", f"{CM}/directed?dryRun=All", {"metadata": {directive: value}}, STRATEGIC)


SELECTORS = ["x" * 10_000, "a in (" + ",".join(map(str, range(3000))) + ")", "((((", "a in (b", "a=b=c",
        "a in ()", "-a=b", "\x00", "é=1",
             "a" + " " * 5000 + "=b", "a," * 3000]  # fmt: skip


@pytest.mark.parametrize("kind", ["labelSelector", "fieldSelector", "continue", "limit", "resourceVersion"])
def test_invalid_queries(server: Server, kind: str) -> None:
    """Given long, incomplete or non-ASCII parameters, when they are sent, then they are handled."""
    for text in SELECTORS:
        ask(server, "GET", f"{CM}?{kind}={quote(text)}")


@pytest.mark.parametrize(
    "path",
    ["//api/v1/nodes", f"{CM}/..%2f..%2fsecrets", "/api/v1/../v1/nodes", "/api/v1/namespaces/%2e%2e/pods",
     f"{CM}/%00", "/%", "/" + "a" * 7000,
     "/openapi/v3/../../etc/passwd", "/api/v1/watch/nodes", "/metrics", "/api/v1/namespaces/a/b/c/d/e/f"],
)  # fmt: skip
def test_unknown_paths(server: Server, path: str) -> None:
    """Given encoded slashes, dots or unserved names, when a path is requested, then it is handled."""
    ask(server, "GET", path)


@pytest.mark.parametrize("options", [
    {"gracePeriodSeconds": -5}, {"gracePeriodSeconds": 1e18}, {"gracePeriodSeconds": "x"},
    {"preconditions": 3}, {"preconditions": {"uid": 3}},
    {"propagationPolicy": 3}, {"orphanDependents": "x"}, {"dryRun": "x"}, [], 3,
])  # fmt: skip
def test_invalid_delete_options(server: Server, options: Any) -> None:
    """Given any JSON as delete options, when one or many objects are deleted, then it is handled."""
    ask(server, "POST", CM, {"metadata": {"name": "deleted"}})
    ask(server, "DELETE", f"{CM}/deleted?dryRun=All", options)
    ask(server, "DELETE", f"{CM}?labelSelector=nope", options)


def test_incomplete_requests_do_not_block_others(server: Server) -> None:
    """Given two hundred connections with half a request line, when another client asks, then it is
    answered.
    """
    open_ones = []
    for _ in range(200):
        plain = socket.create_connection((server.host, server.port))
        open_ones.append(server.context.wrap_socket(plain, server_hostname="127.0.0.1"))
        open_ones[-1].sendall(b"GET /version HTTP/1.1\r\nX: ")
    answer = ask(server, "GET", "/version")
    for each in open_ones:
        each.close()

    assert 200 == answer.status


def test_a_request_with_two_lengths_is_refused(server: Server) -> None:
    """Given two content lengths, as request smuggling uses them, when they are sent, then the answer is
    400.
    """
    head = f"POST {CM} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n".encode()
    for lengths in (
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 4\r\nContent-Length: 5\r\n",
    ):
        with socket.create_connection((server.host, server.port)) as plain:
            wrapped = server.context.wrap_socket(plain, server_hostname="127.0.0.1")
            wrapped.sendall(head + lengths + b"\r\n0\r\n\r\nGET /version HTTP/1.1\r\nHost: x\r\n\r\n")

            assert b" 400 " in wrapped.recv(100)
            wrapped.close()


# ------------------------------------------------------------------ custom kinds


def define(server: Server, name: str, spec: dict[str, Any]) -> Answer:
    """A definition whose objects have this spec."""
    version = {"name": "v1", "served": True, "storage": True,
               "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}}  # fmt: skip
    names = {"plural": f"{name}s", "kind": name.capitalize()}
    body = {"group": "hostile.io", "scope": "Namespaced", "names": names, "versions": [version]}
    return ask(server, "POST", CRD, {"metadata": {"name": f"{name}s.hostile.io"}, "spec": body})


def make(server: Server, name: str, spec: dict[str, Any]) -> Answer:
    """Create an object of that kind as soon as it is served."""
    path = f"/apis/hostile.io/v1/namespaces/default/{name}s"
    while server.ask("GET", path).status != 200:
        pass
    body = {"apiVersion": "hostile.io/v1", "kind": name.capitalize(), "metadata": {"name": "x"}, "spec": spec}
    return ask(server, "POST", path, body)


RULES = "x-kubernetes-validations"
SHORT = {"type": "string", "maxLength": 100}
TEXTS = {"type": "array", "items": {"type": "string"}}
TEN = "[1,2,3,4,5,6,7,8,9,10]"


def test_rules_that_could_take_too_long_are_stopped(server: Server) -> None:
    """Given nested loops or growing results, when an object is created, then it is refused in bounded
    time.
    """
    nested = "true"
    for variable in "abcdefg":
        nested = f"{TEN}.all({variable}, {nested})"
    pairs = "self.l.all(x, self.l.exists(y, y == x))"
    growing = "self.l.map(x, self.l + self.l).size() > 0"
    for name, rule in (("loop", nested), ("pair", pairs), ("grow", growing)):
        answer = define(server, name, {"type": "object", "properties": {"l": TEXTS}, RULES: [{"rule": rule}]})
        assert 201 == answer.status, answer.body["message"]
        made = make(server, name, {"l": [str(i) for i in range(50_000)]})

        assert 422 == made.status
        assert "call cost exceeds limit for rule" in made.body["message"]


def test_patterns_take_linear_time(server: Server) -> None:
    """Given a pattern with exponential back-tracking, when it is used in a schema or rule, then it is
    fast.
    """
    rule = {"rule": "self.s.matches('^(a+)+$')"}
    define(
        server, "pattern", {"type": "object", "properties": {"s": {"type": "string", "pattern": "^(a+)+$"}}}
    )
    define(server, "match", {"type": "object", "properties": {"s": SHORT}, RULES: [rule]})
    for name in ("pattern", "match"):
        assert 422 == make(server, name, {"s": "a" * 40 + "b"}).status


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"type": "bogus"}, "type"), ({"type": "object", "properties": {"a": {}}}, "properties[a].type"),
        ({"$ref": "#/x"}, "$ref"),
        ({"type": "array"}, "items"), ({"type": "string", "pattern": "("}, "pattern"),
        ({"type": "object", RULES: [{"rule": "self."}]}, f"{RULES}[0].rule"),
        ({"type": "object", RULES: [{"message": "x"}]}, f"{RULES}[0].rule"),
        ({"type": "object", RULES: [{"rule": "true", "reason": "Bogus"}]}, f"{RULES}[0].reason"),
    ],
)  # fmt: skip
def test_schemas_that_are_not_structural_are_refused(
    server: Server, spec: dict[str, Any], field: str
) -> None:
    """Given a schema that is not structural, when its definition is created, then it is refused."""
    answer = define(server, "never", spec)

    assert 422 == answer.status
    assert f"spec.validation.openAPIV3Schema.properties[spec].{field}" in [
        cause["field"] for cause in answer.body["details"]["causes"]
    ], json.dumps(answer.body)


def test_only_short_texts_are_cached() -> None:
    """Given ten thousand long texts, when patterns are matched, then the cache stays small."""
    remembered = patterns._matches_short.cache_info
    before = remembered().currsize
    for i in range(3):
        assert patterns.matches(f"{i}" * 1_000, "^[0-9]+$")
        assert patterns.matches(f"x{i}", "^x[0-9]$")

    assert before + 3 == remembered().currsize
