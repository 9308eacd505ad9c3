"""Who may do what on our API server: tokens of service accounts, impersonation, RBAC."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

from devserver_support.servers import TOKEN, Server

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"


def ask(server: Server, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """One request with headers of the test's own."""
    connection = http.client.HTTPSConnection(server.host, server.port, context=server.context, timeout=20)
    data = None if body is None else json.dumps(body).encode()
    sent = {"Content-Type": "application/json"} | {key.replace("_", "-"): value for key, value in headers.items()}
    try:
        connection.request(method, path, data, sent)
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read() or b"null")
    finally:
        connection.close()


def admin(server: Server, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """As who may do everything."""
    return ask(server, method, path, body, Authorization=f"Bearer {TOKEN}", **headers)


def make_account(server: Server, name: str, secret: str = "") -> str:
    """A service account, and a token of it that is bound to a Secret."""
    assert admin(server, "POST", ACCOUNTS, {"metadata": {"name": name}})[0] == 201
    spec: dict[str, Any] = {}
    if secret:
        admin(server, "POST", "/api/v1/namespaces/default/secrets", {"metadata": {"name": secret}})
        spec = {"boundObjectRef": {"kind": "Secret", "apiVersion": "v1", "name": secret}}
    code, body = admin(server, "POST", f"{ACCOUNTS}/{name}/token", {"spec": spec})
    assert code == 201, body
    return str(body["status"]["token"])


def test_a_token_is_its_accounts_until_the_bound_object_goes(server: Server) -> None:
    """Bound to a Secret: good while that is there, refused when it is gone, though the name comes back."""
    token = make_account(server, "bound", "bound-to")
    whoami: tuple[str, str, Any] = ("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    code, body = ask(server, *whoami, Authorization=f"Bearer {token}")
    admin(server, "DELETE", "/api/v1/namespaces/default/secrets/bound-to")
    admin(server, "POST", "/api/v1/namespaces/default/secrets", {"metadata": {"name": "bound-to"}})

    assert (201, "system:serviceaccount:default:bound") == (code, body["status"]["userInfo"]["username"])
    assert 401 == ask(server, *whoami, Authorization=f"Bearer {token}")[0]


def test_a_token_ends_with_its_account(server: Server) -> None:
    """Deleted and made again is another account."""
    token = make_account(server, "short")
    admin(server, "DELETE", f"{ACCOUNTS}/short")
    admin(server, "POST", ACCOUNTS, {"metadata": {"name": "short"}})

    assert 401 == ask(server, "GET", "/api", Authorization=f"Bearer {token}")[0]


@pytest.mark.parametrize("change", ["payload", "signature", "none"])
def test_a_forged_token_is_refused(server: Server, change: str) -> None:
    """A token whose claims, signature or algorithm were changed is nobody's."""
    import base64

    token = make_account(server, f"forged-{change}")
    head, payload, signature = token.split(".")
    if change == "payload":
        payload = payload[:-4] + ("AAAA" if payload[-4:] != "AAAA" else "BBBB")
    elif change == "signature":
        signature = "A" * len(signature)
    else:
        head, signature = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("="), ""

    assert 401 == ask(server, "GET", "/api", Authorization=f"Bearer {head}.{payload}.{signature}")[0]


def test_an_account_may_do_what_its_roles_say(server: Server) -> None:
    """Nothing but discovery at first; with a binding what the role names, and only in its namespace."""
    token = make_account(server, "worker")
    as_worker = {"Authorization": f"Bearer {token}"}
    before = ask(server, "GET", "/api/v1/namespaces/default/configmaps", **as_worker)
    admin(server, "POST", f"{RBAC}/namespaces/default/roles", {"metadata": {"name": "reader"}, "rules": [
        {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["configmaps"]}]})  # fmt: skip
    admin(server, "POST", f"{RBAC}/namespaces/default/rolebindings", {
        "metadata": {"name": "reader"}, "roleRef": {"kind": "Role", "name": "reader", "apiGroup": "rbac.authorization.k8s.io"},
        "subjects": [{"kind": "ServiceAccount", "name": "worker", "namespace": "default"}]})  # fmt: skip

    assert 403 == before[0]
    assert before[1]["message"] == (
        'configmaps is forbidden: User "system:serviceaccount:default:worker" cannot list resource "configmaps" in API group "" in the'
        ' namespace "default"'
    )
    assert 200 == ask(server, "GET", "/api/v1/namespaces/default/configmaps", **as_worker)[0]
    assert 403 == ask(server, "GET", "/api/v1/namespaces/kube-system/configmaps", **as_worker)[0]
    assert 403 == ask(server, "GET", "/api/v1/namespaces/default/configmaps?watch=1", **as_worker)[0]
    assert 403 == ask(server, "DELETE", "/api/v1/namespaces/default/configmaps", **as_worker)[0]
    assert 200 == ask(server, "GET", "/apis", **as_worker)[0]


def test_impersonation_needs_the_right_to_it(server: Server) -> None:
    """The administrator acts for anybody; an account for nobody."""
    token = make_account(server, "actor")
    code, body = admin(server, "GET", "/api/v1/nodes", Impersonate_User="bob")
    other = ask(server, "GET", "/api/v1/nodes", Authorization=f"Bearer {token}", Impersonate_User="bob")

    assert (
        403,
        'nodes is forbidden: User "bob" cannot list resource "nodes" in API group "" at the cluster scope',
    ) == (
        code,
        body["message"],
    )
    assert (403, "users") == (other[0], other[1]["details"]["kind"])


@pytest.mark.parametrize(
    ("spec", "allowed"),
    [
        ({"user": "nobody", "resourceAttributes": {"verb": "get", "resource": "pods"}}, False),
        ({"user": "x", "groups": ["system:masters"], "resourceAttributes": {"verb": "get", "resource": "pods"}}, True),
        (
            {
                "user": "x",
                "groups": ["system:authenticated"],
                "nonResourceAttributes": {"verb": "get", "path": "/api/v1"},
            },
            True,
        ),
    ],
)
def test_reviews_tell_what_would_happen(server: Server, spec: dict[str, Any], allowed: bool) -> None:
    """A SubjectAccessReview answers by the rules that judge requests."""
    code, body = admin(server, "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec})

    assert (201, allowed) == (code, body["status"]["allowed"])


def test_nobody_reads_versions_and_nothing_else(server: Server) -> None:
    """Without a token."""
    assert 200 == ask(server, "GET", "/version")[0]
    assert 403 == ask(server, "GET", "/api/v1/nodes")[0]


def test_what_is_counted_is_what_was_asked(server: Server) -> None:
    """Requests by verb, resource and code, as Kubernetes names them; objects stored."""
    path = "/api/v1/namespaces/default/configmaps"
    before = server.ask("GET", "/metrics").body
    server.ask("POST", path, {"metadata": {"name": "counted"}})
    server.ask("POST", path, {"metadata": {"name": "counted"}})
    server.ask("GET", path)
    server.ask("DELETE", f"{path}/counted")
    after = server.ask("GET", "/metrics").body

    def value(text: str, verb: str, code: int) -> int:
        labels = f'code="{code}",component="apiserver",group="",resource="configmaps",subresource="",verb="{verb}",version="v1"'
        line = f"apiserver_request_total{{{labels}}} "
        return int(next((each.removeprefix(line) for each in text.splitlines() if each.startswith(line)), "0"))

    for verb, code in (("POST", 201), ("POST", 409), ("LIST", 200), ("DELETE", 200)):
        assert value(after, verb, code) == value(before, verb, code) + 1, (verb, code)
    assert 'apiserver_storage_objects{resource="namespaces"} ' in after


def test_nobody_gives_away_what_he_does_not_hold(server: Server) -> None:
    """A role with more than its writer has is refused, and so is a binding to one; what he has he may give."""
    roles, bindings = f"{RBAC}/namespaces/default/roles", f"{RBAC}/namespaces/default/rolebindings"
    held = [
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
    ]
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "giver"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "giver"}
    admin(server, "POST", roles, {"metadata": {"name": "giver"}, "rules": held})
    admin(server, "POST", bindings, {"metadata": {"name": "giver"}, "roleRef": reference, "subjects": [subject]})

    def give(verb: str) -> tuple[int, Any]:
        rule = {"apiGroups": [""], "resources": ["pods"], "verbs": [verb]}
        return admin(
            server, "POST", roles, {"metadata": {"name": f"may-{verb}"}, "rules": [rule]}, Impersonate_User="giver"
        )

    code, body = give("delete")

    assert 403 == code
    assert body["message"].endswith(
        'permissions not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}'
    )
    assert 201 == give("get")[0]
    wide = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    binding = {"metadata": {"name": "all"}, "roleRef": wide, "subjects": [subject]}
    assert 403 == admin(server, "POST", bindings, binding, Impersonate_User="giver")[0]
