"""What a cluster's admission plugins say of a valid object before it is stored: Pod Security, and service accounts that must be there."""

from __future__ import annotations

from kube_devserver import api_errors
from kube_devserver.api.pod_security import LEVELS, PRIVILEGED, policy_of, spell, violations, warnings_for_namespace
from kube_devserver.objects.resource_registry import Resource
from kube_devserver.storage.store import Body, Store

NAMESPACES, PODS, ACCOUNTS = ("", "namespaces"), ("", "pods"), ("", "serviceaccounts")
MAKERS = {("apps", "deployments"), ("apps", "replicasets")}
IMMORTAL = ("default", "kube-system", "kube-public")
NEEDS_NO_ACCOUNT = "default"  # every namespace gets it, a moment after it is there


def admit(store: Store, resource: Resource, body: Body, old: Body | None) -> list[str]:
    """Let an object of a built-in kind in.

    Args:
        store: the objects.
        resource: of the object.
        body: new.
        old: what it replaces; None for a create.

    Returns:
        Warnings for the client.

    Raises:
        StatusError: 403 or 422, it is refused.
    """
    if resource.key == NAMESPACES:
        return _namespace(store, body, old)
    if resource.key == PODS:
        if old is None:
            _need_account(store, body)
        elif not _is_significant(body, old):
            return []
        return _secure(store, body["metadata"]["namespace"], body["metadata"], body["spec"], body["metadata"]["name"])
    if resource.key in MAKERS:
        template = body["spec"].get("template") or {}
        return _secure(
            store, body["metadata"]["namespace"], template.get("metadata") or {}, template.get("spec") or {}, ""
        )
    return []


def admit_delete(resource: Resource, name: str) -> None:
    """Let an object go.

    Raises:
        StatusError: 403, the cluster cannot do without it.
    """
    if resource.key == NAMESPACES and name in IMMORTAL:
        raise api_errors.forbidden("", "namespaces", name, "this namespace may not be deleted")


def _secure(store: Store, namespace: str, metadata: Body, spec: Body, pod: str) -> list[str]:
    """Pod Security: a pod is refused, what makes pods is warned of only."""
    entry = store.get(NAMESPACES, "", namespace)
    labels = (entry.body["metadata"].get("labels") or {}) if entry is not None else {}
    policy, _ = policy_of(labels)
    if pod and (found := violations(policy.enforce, metadata, spec)):
        raise api_errors.forbidden("", "pods", pod, f'violates PodSecurity "{policy.enforce}": {spell(found)}')
    found = violations(policy.warn, metadata, spec)
    return [f'would violate PodSecurity "{policy.warn}": {spell(found)}'] if found else []


def _is_significant(body: Body, old: Body) -> bool:
    """Whether an update changes what Pod Security looks at: containers or their images."""

    def images(pod: Body) -> list[list[str]]:
        return [
            [each.get("image", "") for each in pod["spec"].get(name) or ()] for name in ("containers", "initContainers")
        ]

    return images(body) != images(old)


def _need_account(store: Store, body: Body) -> None:
    name, namespace = body["spec"].get("serviceAccountName", NEEDS_NO_ACCOUNT), body["metadata"]["namespace"]
    if name != NEEDS_NO_ACCOUNT and store.get(ACCOUNTS, namespace, name) is None:
        why = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
        raise api_errors.forbidden("", "pods", body["metadata"]["name"], why)


def _namespace(store: Store, body: Body, old: Body | None) -> list[str]:
    """Labels of Pod Security must be right; a stricter level warns of the pods that it would not let in."""
    name = body["metadata"]["name"]
    policy, causes = policy_of(body["metadata"].get("labels") or {})
    before, known = policy_of((old["metadata"].get("labels") or {}) if old is not None else {})
    if causes and causes != known:
        raise api_errors.invalid("", "Namespace", name, causes)
    new, was = policy.enforce, before.enforce
    if old is None or new == was or new.name == PRIVILEGED:
        return []
    if new.minor == was.minor and LEVELS.index(new.name) <= LEVELS.index(was.name):
        return []
    return warnings_for_namespace(name, new, [entry.body for entry in store.entries(PODS, name)])
