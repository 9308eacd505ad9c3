"""Single requests whose answers once differed from Kubernetes'."""

from __future__ import annotations

import http.client
import itertools
from typing import Any

import pytest

from devserver_support.custom_kinds import custom, define, path_of, version
from devserver_support.servers import TOKEN, Server

RBAC, CM = "/apis/rbac.authorization.k8s.io/v1", "/api/v1/namespaces/default/configmaps"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
ROLE = {"kind": "Role", "name": "n", "apiGroup": "rbac.authorization.k8s.io"}
_numbers = itertools.count()


def send(
    server: Server, method: str, path: str, headers: dict[str, str], data: bytes | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Send one request with these headers."""
    connection = http.client.HTTPSConnection(server.host, server.port, context=server.context, timeout=20)
    try:
        connection.request(method, path, data, headers)
        reply = connection.getresponse()
        return reply.status, dict(reply.getheaders()), reply.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (LEASES, {"spec": {"holderIdentity": "me"}}),
        (f"{RBAC}/namespaces/default/roles", {"rules": []}),
        (f"{RBAC}/namespaces/default/rolebindings", {"roleRef": ROLE}),
        (f"{RBAC}/clusterroles", {"rules": []}),
        (f"{RBAC}/clusterrolebindings", {"roleRef": ROLE | {"kind": "ClusterRole"}}),
        ("/api/v1/namespaces/default/services", {"spec": {"ports": [{"port": 80}]}}),
        ("/api/v1/namespaces/default/events", {"involvedObject": {"namespace": "default"}}),
    ],
)
def test_a_put_creates_missing_objects_of_some_kinds(
    server: Server, path: str, fields: dict[str, Any]
) -> None:
    """Given Leases, Services, Events and RBAC kinds, when a missing one is put, then it is created."""
    name = f"put-{next(_numbers)}"
    answer = server.ask(
        "PUT", f"{path}/{name}", {"metadata": {"name": name, "resourceVersion": "5"}} | fields
    )

    assert 201 == answer.status, answer.body
    assert 200 == server.ask("GET", f"{path}/{name}").status


def test_a_put_of_a_missing_object_of_another_kind_is_refused(server: Server) -> None:
    """Given a ConfigMap that does not exist, when it is put, then the answer is 404."""
    assert 404 == server.ask("PUT", f"{CM}/none", {"metadata": {"name": "none"}}).status


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ({"tenth": 0.3}, 201),
        ({"tenth": 0.35}, 422),
        ({"zero": 1}, 422),
        ({"zero": 0}, 422),
        ({"tenth": 1e300}, 422),
    ],
)
def test_multiples_allow_for_rounding(server: Server, spec: dict[str, Any], code: int) -> None:
    """Given multipleOf, when 0.3 is checked against 0.1, then it is a multiple; 0 has no multiples."""
    number = {"type": "number"}
    schema = {
        "type": "object",
        "properties": {"tenth": number | {"multipleOf": 0.1}, "zero": number | {"multipleOf": 0}},
    }
    define(server, "mul", version("v1", schema, storage=True))

    assert (
        code
        == server.ask("POST", path_of("v1", "mul"), custom("v1", "mul", f"m{next(_numbers)}", spec)).status
    )


def test_yaml_is_read(server: Server) -> None:
    """Given YAML in the body of a request, when an object is created, then it is the same as from JSON."""
    text = b"metadata: {name: from-yaml}\ndata:\n  a: text\n"
    answer = server.ask("POST", CM, text, "application/yaml")

    assert (201, {"a": "text"}) == (answer.status, answer.body["data"])


def test_openapi_documents_can_be_cached_by_their_hash(server: Server) -> None:
    """Given a document's hash, when it is requested, then it may be cached; a wrong hash is redirected."""
    path = server.ask("GET", "/openapi/v3").body["paths"]["api/v1"]["serverRelativeURL"]
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    code, headers, _ = send(server, "GET", path, bearer)
    again, _, empty = send(server, "GET", path, bearer | {"If-None-Match": headers["ETag"]})
    other, moved, _ = send(server, "GET", "/openapi/v3/api/v1?hash=ABC", bearer)

    assert (200, "public, immutable") == (code, headers["Cache-Control"])
    assert (304, b"") == (again, empty)
    assert (301, path) == (other, moved["Location"])


@pytest.mark.parametrize(
    ("query", "code"),
    [("tailLines=x", 400), ("sinceSeconds=x", 400), ("limitBytes=1.5", 400), ("sinceTime=x", 400),
     ("tailLines=-1", 422), ("limitBytes=0", 422),
     ("sinceSeconds=0", 422), ("sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z", 422), ("stream=Stdout", 422),
     ("tailLines=1", 204)],
)  # fmt: skip
def test_log_options_are_validated(server: Server, query: str, code: int) -> None:
    """Given invalid options, when a log is requested, then they are refused before a kubelet is asked."""
    spec = {"schedulerName": "absent", "containers": [{"name": "c", "image": "x"}]}
    server.ask("POST", "/api/v1/namespaces/default/pods", {"metadata": {"name": "logged"}, "spec": spec})

    assert code == server.ask("GET", f"/api/v1/namespaces/default/pods/logged/log?{query}").status
