"""Access reviews: may somebody do something, who am I, whose token is this. Answered from the same rules by which requests are judged."""

from __future__ import annotations

from typing import Any

from kube_devserver import api_errors
from kube_devserver.api.access import Deed, User, decide, rules_of
from kube_devserver.api.tokens import ISSUER, Tokens
from kube_devserver.api_errors import bad_request, wrong
from kube_devserver.storage.store import Body, Store

AUTHORIZATION = "authorization.k8s.io"
KINDS = {
    "SelfSubjectAccessReview", "SelfSubjectRulesReview", "SubjectAccessReview", "LocalSubjectAccessReview", "SelfSubjectReview",
    "TokenReview",
}  # fmt: skip


def review(kind: str, sent: Any, user: User, namespace: str, store: Store, tokens: Tokens, now: str) -> Body:
    """Answer a review.

    Args:
        kind: which.
        sent: the body of the request.
        user: who asks.
        namespace: of a LocalSubjectAccessReview's path.
        store: where roles and bindings are.
        tokens: of service accounts.
        now: RFC 3339 in seconds.

    Raises:
        StatusError: it is no review that can be answered.
    """
    if not isinstance(sent, dict) or not isinstance(sent.get("spec") or {}, dict):
        raise bad_request(f"a {kind} is expected")
    if sent.get("kind") not in (None, "", kind):
        raise bad_request(f"{sent['kind']} cannot be handled as a {kind}")
    spec = sent.get("spec") or {}
    version = "authentication.k8s.io/v1" if kind in ("SelfSubjectReview", "TokenReview") else f"{AUTHORIZATION}/v1"
    head: Body = {"kind": kind, "apiVersion": version, "metadata": {}}
    match kind:
        case "SelfSubjectReview":
            return head | {"metadata": {"creationTimestamp": now}, "status": {"userInfo": user.body()}}
        case "TokenReview":
            return head | {"spec": spec, "status": _review_token(spec, tokens)}
        case "SelfSubjectRulesReview":
            resources, paths = rules_of(store, user, str(spec.get("namespace") or ""))
            return head | {
                "spec": {},
                "status": {"resourceRules": resources, "nonResourceRules": paths, "incomplete": False},
            }
        case "SelfSubjectAccessReview":
            subject = user
        case _:
            subject = _subject(kind, spec)
    if kind == "LocalSubjectAccessReview" and (spec.get("resourceAttributes") or {}).get("namespace") != namespace:
        cause = wrong("spec.resourceAttributes.namespace", (spec.get("resourceAttributes") or {}).get("namespace", ""),
                               "must match metadata.namespace")  # fmt: skip
        raise api_errors.invalid(AUTHORIZATION, kind, "", [cause])
    allowed, reason = decide(store, subject, _deed(kind, spec))
    return head | {"spec": spec, "status": {"allowed": allowed} | ({"reason": reason} if reason else {})}


def _subject(kind: str, spec: Body) -> User:
    groups = spec.get("groups") or []
    if not isinstance(groups, list) or not all(isinstance(each, str) for each in groups):
        raise bad_request(f"{kind}: spec.groups is a list of names")
    return User(str(spec.get("user") or ""), tuple(groups))


def _deed(kind: str, spec: Body) -> Deed:
    about, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    causes = []
    if about is not None and path is not None:
        causes.append(
            wrong("spec.nonResourceAttributes", path, "cannot be specified in combination with resourceAttributes")
        )
    elif about is None and path is None:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        causes.append(wrong("spec.resourceAttributes", None, why))
    if not kind.startswith("Self") and not spec.get("user") and not spec.get("groups"):
        causes.append(wrong("spec.user", "", "at least one of user or group must be specified"))
    if causes:
        raise api_errors.invalid(AUTHORIZATION, "", "", causes)
    if not isinstance(about or path, dict | type(None)):
        raise bad_request(f"{kind}: attributes are an object")
    values = {key: str(value) for key, value in (about or path or {}).items() if isinstance(value, str)}
    if about is None:
        return Deed(values.get("verb", ""), path=values.get("path", "/"))
    keys = ("verb", "group", "resource", "subresource", "namespace", "name")
    return Deed(**{key: values.get(key, "") for key in keys})


def _review_token(spec: Body, tokens: Tokens) -> Body:
    audiences = spec.get("audiences") or []
    if not isinstance(audiences, list) or not all(isinstance(each, str) for each in audiences):
        raise bad_request("TokenReview: spec.audiences is a list of names")
    wanted = tuple(audiences) or (ISSUER,)
    user = tokens.user(str(spec.get("token") or ""), wanted)
    if user is None:
        return {"user": {}, "error": "invalid bearer token"}
    return {
        "authenticated": True,
        "user": user.body(),
        "audiences": [each for each in wanted if each == ISSUER or audiences],
    }
