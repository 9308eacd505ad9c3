"""Who may do what: RBAC, as the stored roles and bindings say it. Pure; after k8s.io/kubernetes' rbac authorizer and rule resolver."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kube_devserver.api_errors import StatusError, named
from kube_devserver.objects.selectors import matches_selector
from kube_devserver.storage.store import Body, Store

GROUP = "rbac.authorization.k8s.io"
MASTERS, AUTHENTICATED, UNAUTHENTICATED = "system:masters", "system:authenticated", "system:unauthenticated"
ANONYMOUS = "system:anonymous"
ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True)
class User:
    """Who asks."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def body(self) -> Body:
        """As reviews say it."""
        found: Body = {"username": self.name, "uid": self.uid, "groups": list(self.groups)}
        found |= {"extra": {key: list(values) for key, values in self.extra}}
        return {key: value for key, value in found.items() if value}


NOBODY = User(ANONYMOUS, (UNAUTHENTICATED,))


@dataclass(frozen=True)
class Deed:
    """What is asked for: a verb and a resource, or a path that is none."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


def decide(store: Store, user: User, deed: Deed) -> tuple[bool, str]:
    """Whether a user may, and what allows it."""
    if MASTERS in user.groups:
        return True, ""
    for rules, reason in _grants(store, user, deed.namespace):
        if any(_allows(rule, deed) for rule in rules):
            return True, f"RBAC: allowed by {reason}"
    return False, ""


def rules_of(store: Store, user: User, namespace: str) -> tuple[list[Body], list[Body]]:
    """All rules for resources and all for paths that a user has in a namespace."""
    resources: list[Body] = []
    paths: list[Body] = []
    for rules, _ in _grants(store, user, namespace):
        for rule in rules:
            if rule.get("resources"):
                resources.append(
                    {k: rule[k] for k in ("verbs", "apiGroups", "resources", "resourceNames") if k in rule}
                )
            if rule.get("nonResourceURLs"):
                paths.append({key: rule[key] for key in ("verbs", "nonResourceURLs")})
    return resources, paths


def rules_held(store: Store, user: User, namespace: str) -> list[Body]:
    """All rules that a user has in a namespace, as they are written."""
    return [rule for rules, _ in _grants(store, user, namespace) for rule in rules]


def role_rules(store: Store, reference: Body, namespace: str) -> list[Body] | None:
    """The rules of a role that a binding names; None if it is not there."""
    is_wide = reference.get("kind") == "ClusterRole"
    kind = (GROUP, "clusterroles" if is_wide else "roles")
    entry = store.get(kind, "" if is_wide else namespace, reference.get("name", ""))
    if entry is None:
        return None
    return entry.body.get("rules") or _rules(store, reference, namespace)


def refuse(user: User, deed: Deed, reason: str = "") -> StatusError:
    """The refusal, in Kubernetes' words."""
    if deed.path:
        text = f'User "{user.name}" cannot {deed.verb} path "{deed.path}"'
        return StatusError(403, "Forbidden", f"forbidden: {_plain(text)}", {})
    resource = f"{deed.resource}/{deed.subresource}" if deed.subresource else deed.resource
    where = f'in the namespace "{deed.namespace}"' if deed.namespace else "at the cluster scope"
    text = f'User "{user.name}" cannot {deed.verb} resource "{resource}" in API group "{deed.group}" {where}'
    text = _plain(text) + (f": {reason}" if reason else "")
    what = named(deed.group, deed.resource)
    head = f'{what} "{deed.name}" is forbidden' if deed.name else f"{what} is forbidden"
    details = {
        key: value for key, value in (("name", deed.name), ("group", deed.group), ("kind", deed.resource)) if value
    }
    return StatusError(403, "Forbidden", f"{head}: {text}", details)


def _plain(text: str) -> str:
    """Nothing that a browser would take for HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


# ------------------------------------------------------------------ bindings and rules


def _grants(store: Store, user: User, namespace: str) -> Iterator[tuple[list[Body], str]]:
    """The rules of every binding that names a user, and the words for it."""
    kinds = [("clusterrolebindings", "")] + ([("rolebindings", namespace)] if namespace else [])
    for plural, where in kinds:
        for entry in store.entries((GROUP, plural), where):
            binding = entry.body
            subject = next((s for s in binding.get("subjects") or () if _means(s, user, where)), None)
            if subject is not None:
                yield _rules(store, binding["roleRef"], where), _describe(binding, subject, where)


def _means(subject: Body, user: User, namespace: str) -> bool:
    match subject.get("kind"):
        case "User":
            return bool(subject["name"] == user.name)
        case "Group":
            return subject["name"] in user.groups
        case "ServiceAccount":
            at = subject.get("namespace") or namespace
            return bool(at) and user.name == f"{ACCOUNT}{at}:{subject['name']}"
    return False


def _rules(store: Store, reference: Body, namespace: str) -> list[Body]:
    """A role's rules; those of an aggregated one are those of all that its selectors choose."""
    is_wide = reference.get("kind") == "ClusterRole"
    kind = (GROUP, "clusterroles" if is_wide else "roles")
    entry = store.get(kind, "" if is_wide else namespace, reference["name"])
    if entry is None:
        return []
    found: list[Body] = list(entry.body.get("rules") or ())
    selectors = (entry.body.get("aggregationRule") or {}).get("clusterRoleSelectors") or ()
    for other in store.each(kind) if selectors else ():
        labels = other.body["metadata"].get("labels") or {}
        if other is not entry and any(matches_selector(selector, labels) for selector in selectors):
            found += other.body.get("rules") or ()
    return found


def _describe(binding: Body, subject: Body, namespace: str) -> str:
    metadata, role = binding["metadata"], binding["roleRef"]
    kind, name = (
        ("RoleBinding", f"{metadata['name']}/{namespace}") if namespace else ("ClusterRoleBinding", metadata["name"])
    )
    who = subject["name"]
    if subject["kind"] == "ServiceAccount":
        who = f"{who}/{subject.get('namespace') or namespace}"
    return f'{kind} "{name}" of {role["kind"]} "{role["name"]}" to {subject["kind"]} "{who}"'


def _allows(rule: Body, deed: Deed) -> bool:
    verbs: Any = rule.get("verbs") or ()
    if deed.verb not in verbs and "*" not in verbs:
        return False
    if deed.path:
        return any(_path_matches(each, deed.path) for each in rule.get("nonResourceURLs") or ())
    groups, resources, names = (rule.get(key) or () for key in ("apiGroups", "resources", "resourceNames"))
    if deed.group not in groups and "*" not in groups:
        return False
    whole = f"{deed.resource}/{deed.subresource}" if deed.subresource else deed.resource
    if not ("*" in resources or whole in resources or (deed.subresource and f"*/{deed.subresource}" in resources)):
        return False
    return not names or deed.name in names


def _path_matches(pattern: str, path: str) -> bool:
    return pattern in ("*", path) or (pattern.endswith("*") and path.startswith(pattern.rstrip("*")))
