"""The reviews behind `kubectl auth can-i`: every authenticated client may do everything."""

from __future__ import annotations

from typing import Any

from kube_devserver import api_errors
from kube_devserver.api_errors import bad_request, wrong
from kube_devserver.objects.kinds import Body

API_VERSION = "authorization.k8s.io/v1"
REVIEWS = ("SelfSubjectAccessReview", "SelfSubjectRulesReview")
_ALL_RESOURCES = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
_ALL_PATHS = {"verbs": ["*"], "nonResourceURLs": ["*"]}


def review(kind: str, sent: Any) -> Body:
    """Answer a review.

    Raises:
        StatusError: 400 or 422, the body is not a review of this kind.
    """
    if not isinstance(sent, dict) or not isinstance(sent.get("spec") or {}, dict):
        raise bad_request(f"a {kind} is expected")
    if sent.get("kind") not in (None, "", kind):
        raise bad_request(f"{sent['kind']} cannot be handled as a {kind}")
    spec = sent.get("spec") or {}
    head: Body = {"kind": kind, "apiVersion": API_VERSION, "metadata": {}}
    if kind == "SelfSubjectRulesReview":
        rules = {"resourceRules": [_ALL_RESOURCES], "nonResourceRules": [_ALL_PATHS], "incomplete": False}
        return head | {"spec": {}, "status": rules}
    about, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if about is not None and path is not None:
        text = "cannot be specified in combination with resourceAttributes"
        fault = wrong("spec.nonResourceAttributes", path, text)
        raise api_errors.invalid("authorization.k8s.io", "", "", [fault])
    if about is None and path is None:
        text = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        fault = wrong("spec.resourceAttributes", None, text)
        raise api_errors.invalid("authorization.k8s.io", "", "", [fault])
    return head | {"spec": spec, "status": {"allowed": True}}
