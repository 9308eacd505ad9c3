"""Nobody gives away rights that he does not have: what RBAC asks before a role or a binding is written. Pure.

After Kubernetes' pkg/registry/rbac: who may `escalate` a role, or `bind` it, may write what he likes; all others only what they hold themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from kube_devserver import api_errors
from kube_devserver.api.access import GROUP, MASTERS, Deed, User, decide, role_rules, rules_held
from kube_devserver.api_errors import StatusError, show
from kube_devserver.storage.store import Body, Store

ROLES, BINDINGS = ("roles", "clusterroles"), ("rolebindings", "clusterrolebindings")
_EVERYTHING: list[Body] = [
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
]
_PARTS = ("apiGroups", "resources", "nonResourceURLs", "resourceNames", "verbs")
_KEPT = ("ownerReferences", "finalizers", "managedFields")  # what the garbage collector may change of any role


def confirm(store: Store, user: User, plural: str, namespace: str, name: str, body: Body, old: Body | None) -> None:
    """Let a role or a binding be written.

    Args:
        store: where roles and bindings are.
        user: who writes.
        plural: the kind's, of RBAC's group.
        namespace: of the object; empty if it has none.
        name: that the request is about; empty if it creates one.
        body: new.
        old: what it replaces; None for a create.

    Raises:
        StatusError: 403, it gives more than the user has; 404, a role that is bound is not there.
    """
    if MASTERS in user.groups or (old is not None and _only_kept(body, old)):
        return
    own = body["metadata"].get("name", "")
    if plural in ROLES:
        if _may(store, user, Deed("escalate", GROUP, plural, "", namespace, name)):
            return
        _demand(store, user, plural, namespace, own, body.get("rules") or [])
        if any(_selectors(each) for each in (body, old or {})) and _missing(store, user, namespace, _EVERYTHING):
            raise api_errors.forbidden(
                GROUP, plural, own, "must have cluster-admin privileges to use the aggregationRule"
            )
    elif plural in BINDINGS:
        reference = body.get("roleRef") or {}
        kind = {"ClusterRole": "clusterroles", "Role": "roles"}.get(reference.get("kind", ""), "")
        bound = str(reference.get("name", ""))
        if kind and _may(store, user, Deed("bind", str(reference.get("apiGroup", "")), kind, "", namespace, bound)):
            return
        if not kind:
            raise StatusError(500, "", f"unsupported role reference kind: {show(reference.get('kind', ''))}")
        rules = role_rules(store, reference, namespace)
        if rules is None:
            raise api_errors.not_found(GROUP, plural, bound)
        _demand(store, user, plural, namespace, own, rules)


def _may(store: Store, user: User, deed: Deed) -> bool:
    return decide(store, user, deed)[0]


def _selectors(body: Body) -> Any:
    return (body.get("aggregationRule") or {}).get("clusterRoleSelectors")


def _only_kept(body: Body, old: Body) -> bool:
    def rest(each: Body) -> Body:
        return each | {"metadata": {key: value for key, value in each["metadata"].items() if key not in _KEPT}}

    return rest(body) == rest(old)


def _demand(store: Store, user: User, plural: str, namespace: str, name: str, rules: list[Body]) -> None:
    missing = _missing(store, user, namespace, rules)
    if missing:
        shown = "\n".join(sorted({_spell(each) for each in _compact(missing)}))
        groups = " ".join(map(show, user.groups))
        text = f"user {show(user.name)} (groups=[{groups}]) is attempting to grant RBAC permissions not currently held:"
        raise api_errors.forbidden(GROUP, plural, name, f"{text}\n{shown}")


def _missing(store: Store, user: User, namespace: str, rules: list[Body]) -> list[Body]:
    """What of some rules a user does not hold, each for one verb and one thing."""
    held = rules_held(store, user, namespace)
    return [part for rule in rules for part in _parts(rule) if not any(_covers(each, part) for each in held)]


def _parts(rule: Body) -> Iterator[Body]:
    """A rule as one rule for each group, resource, verb and name.

    >>> list(_parts({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}))
    [{'apiGroups': [''], 'resources': ['pods'], 'verbs': ['get']}]
    """
    verbs = rule.get("verbs") or ()
    for group, resource, verb in product(rule.get("apiGroups") or (), rule.get("resources") or (), verbs):
        part: Body = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
        names = rule.get("resourceNames") or ()
        yield from [part | {"resourceNames": [name]} for name in names] if names else [part]
    for url, verb in product(rule.get("nonResourceURLs") or (), verbs):
        yield {"nonResourceURLs": [url], "verbs": [verb]}


def _covers(held: Body, part: Body) -> bool:
    """Whether a rule gives all that one part needs."""
    names, needed = held.get("resourceNames") or (), part.get("resourceNames") or ()
    return (
        _has_all(held, part, "verbs")
        and _has_all(held, part, "apiGroups")
        and all(_has_resource(held.get("resources") or (), each) for each in part.get("resources") or ())
        and (not names or (bool(needed) and set(needed) <= set(names)))
        and all(
            any(_covers_url(own, url) for own in held.get("nonResourceURLs") or ())
            for url in part.get("nonResourceURLs") or ()
        )
    )


def _has_all(held: Body, part: Body, key: str) -> bool:
    own = held.get(key) or ()
    return "*" in own or set(part.get(key) or ()) <= set(own)


def _has_resource(own: Any, resource: str) -> bool:
    below = resource.partition("/")[2]
    return "*" in own or resource in own or ("/" in resource and f"*/{below}" in own)


def _covers_url(own: str, url: str) -> bool:
    return own == url or (own.endswith("*") and url.startswith(own.rstrip("*")))


def _compact(parts: list[Body]) -> list[Body]:
    """Parts that differ by their verbs only as one rule."""
    found: list[Body] = []
    known: dict[tuple[Any, ...], Body] = {}
    for part in parts:
        key = tuple(tuple(part.get(name) or ()) for name in _PARTS[:-1])
        if "nonResourceURLs" in part or key not in known:
            known[key] = dict(part)
            found.append(known[key])
        else:
            known[key]["verbs"] = [*known[key]["verbs"], *part["verbs"]]
    return found


def _spell(rule: Body) -> str:
    """A rule in Kubernetes' words.

    >>> _spell({"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]})
    '{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}'
    """
    names = {"apiGroups": "APIGroups", "nonResourceURLs": "NonResourceURLs"}
    shown = [
        f"{names.get(key, key[0].upper() + key[1:])}:[{' '.join(map(show, rule[key]))}]"
        for key in _PARTS
        if rule.get(key)
    ]
    return "{" + ", ".join(shown) + "}"
