"""Authentication, reviews and metrics."""

from __future__ import annotations

import http.client
from typing import Any

import pytest

from devserver_support.servers import TOKEN, Server

MAPS = "/api/v1/namespaces/default/configmaps"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def status_of(server: Server, path: str, **headers: str) -> int:
    """The status of a GET with only these headers."""
    connection = http.client.HTTPSConnection(server.host, server.port, context=server.context, timeout=20)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/api", "/apis", "/api/v1/nodes", "/openapi/v3", "/metrics", "/"])
@pytest.mark.parametrize(
    "header", ["", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer ", "Bearer \u00e9"]
)
def test_requests_without_the_token_get_401(server: Server, path: str, header: str) -> None:
    """Given no token or a wrong one, when a path is requested, then the answer is 401."""
    headers = {"Authorization": header} if header else {}

    assert 401 == status_of(server, path, **headers)


@pytest.mark.parametrize("path", ["/version", "/readyz", "/livez", "/healthz"])
def test_health_and_version_need_no_token(server: Server, path: str) -> None:
    """Given no token, when health or version is requested, then the answer is 200."""
    assert 200 == status_of(server, path)


def test_can_i_answers_yes(server: Server) -> None:
    """Given any resource, when a client reviews its access, then it is allowed, and the list of rules has
    everything.
    """
    spec = {"resourceAttributes": {"verb": "delete", "resource": "nodes"}}
    review = server.ask("POST", REVIEWS, {"spec": spec})
    rules = server.ask(
        "POST", REVIEWS.replace("accessreviews", "rulesreviews"), {"spec": {"namespace": "default"}}
    )

    assert (201, True) == (review.status, review.body["status"]["allowed"])
    assert ["*"] == rules.body["status"]["resourceRules"][0]["verbs"]


@pytest.mark.parametrize("spec", [{}, {"resourceAttributes": {}, "nonResourceAttributes": {}}])
def test_a_review_needs_one_kind_of_attributes(server: Server, spec: dict[str, Any]) -> None:
    """Given none or both kinds of attributes, when access is reviewed, then the review is refused."""
    assert 422 == server.ask("POST", REVIEWS, {"spec": spec}).status


def test_metrics_count_requests(server: Server) -> None:
    """Given requests, when metrics are read, then each is counted by verb, resource and code, as Kubernetes
    does.
    """
    before = server.ask("GET", "/metrics").body
    server.ask("POST", MAPS, {"metadata": {"name": "counted"}})
    server.ask("POST", MAPS, {"metadata": {"name": "counted"}})
    server.ask("GET", MAPS)
    server.ask("DELETE", f"{MAPS}/counted")
    after = server.ask("GET", "/metrics").body

    def value(text: str, verb: str, code: int) -> int:
        labels = (
            f'code="{code}",component="apiserver",group="",resource="configmaps",subresource="",verb="{verb}"'
        )
        line = f'apiserver_request_total{{{labels},version="v1"}} '
        return int(
            next((each.removeprefix(line) for each in text.splitlines() if each.startswith(line)), "0")
        )

    for verb, code in (("POST", 201), ("POST", 409), ("LIST", 200), ("DELETE", 200)):
        assert value(after, verb, code) == value(before, verb, code) + 1, (verb, code)
    assert 'apiserver_storage_objects{resource="namespaces"} ' in after
