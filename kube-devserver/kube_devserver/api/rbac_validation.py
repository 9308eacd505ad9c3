"""Pure: what is wrong with roles and bindings. After Kubernetes' pkg/apis/rbac/validation."""

from __future__ import annotations

from kube_devserver.api.access import GROUP
from kube_devserver.api_errors import Cause, required, unsupported_value, wrong
from kube_devserver.objects.names import IN_SUBDOMAIN, SUBDOMAIN
from kube_devserver.objects.selectors import selector_faults
from kube_devserver.storage.store import Body

_BAD_IN_NAME = ("/", "%")


def role_faults(body: Body, old: Body | None) -> list[Cause]:
    """Of a role, whose rules are about resources, or in a ClusterRole about paths."""
    found = []
    for i, rule in enumerate(body.get("rules") or ()):
        found += _rule_faults(rule, body["kind"] == "Role", f"rules[{i}]")
    return found + _aggregation_faults(body.get("aggregationRule"))


def _aggregation_faults(rule: Body | None) -> list[Cause]:
    path, found = "aggregationRule.clusterRoleSelectors", []
    if rule is None:
        return []
    for i, selector in enumerate(rule.get("clusterRoleSelectors") or ()):
        if faults := selector_faults(selector, f"{path}[{i}]"):
            found += [*faults, wrong(f"{path}[{i}]", None, "invalid label selector.")]
    text = "at least one clusterRoleSelector required if aggregationRule is non-nil"
    return found if rule.get("clusterRoleSelectors") else [required(path, text)]


def _rule_faults(rule: Body, namespaced: bool, path: str) -> list[Cause]:
    found = []
    if not rule.get("verbs"):
        found.append(required(f"{path}.verbs", "verbs must contain at least one value"))
    if urls := rule.get("nonResourceURLs"):
        if namespaced:
            found.append(wrong(f"{path}.nonResourceURLs", urls, "namespaced rules cannot apply to non-resource URLs"))
        if any(rule.get(name) for name in ("apiGroups", "resources", "resourceNames")):
            text = "rules cannot apply to both regular resources and non-resource URLs"
            found.append(wrong(f"{path}.nonResourceURLs", urls, text))
        return found
    if not rule.get("apiGroups"):
        found.append(required(f"{path}.apiGroups", "resource rules must supply at least one api group"))
    if not rule.get("resources"):
        found.append(required(f"{path}.resources", "resource rules must supply at least one resource"))
    return found


def binding_faults(body: Body, old: Body | None) -> list[Cause]:
    """Of a binding, which is of its role for ever."""
    reference, namespaced = body.get("roleRef") or {}, body["kind"] == "RoleBinding"
    found = []
    if (group := reference.get("apiGroup", "")) != GROUP:
        found.append(unsupported_value("roleRef.apiGroup", group, [GROUP]))
    kinds = ["Role", "ClusterRole"] if namespaced else ["ClusterRole"]
    if (kind := reference.get("kind", "")) not in kinds:
        found.append(unsupported_value("roleRef.kind", kind, kinds))
    found += _name_faults(reference.get("name", ""))
    for i, subject in enumerate(body.get("subjects") or ()):
        found += _subject_faults(subject, namespaced, f"subjects[{i}]")
    if old is not None and reference != old.get("roleRef"):
        shown = {"APIGroup": group, "Kind": kind, "Name": reference.get("name", "")}
        found.append(wrong("roleRef", shown, "cannot change roleRef"))
    return found


def _name_faults(name: str) -> list[Cause]:
    if not name:
        return [required("roleRef.name")]
    if name in (".", ".."):
        return [wrong("roleRef.name", name, f"may not be '{name}'")]
    return [wrong("roleRef.name", name, f"may not contain '{each}'") for each in _BAD_IN_NAME if each in name]


def _subject_faults(subject: Body, namespaced: bool, path: str) -> list[Cause]:
    name, group, found = subject.get("name", ""), subject.get("apiGroup", ""), []
    if not name:
        found.append(required(f"{path}.name"))
    match subject.get("kind", ""):
        case "ServiceAccount":
            if name and not SUBDOMAIN.match(name):
                found.append(wrong(f"{path}.name", name, IN_SUBDOMAIN))
            if group:
                found.append(unsupported_value(f"{path}.apiGroup", group, [""]))
            if not namespaced and not subject.get("namespace"):
                found.append(required(f"{path}.namespace"))
        case "User" | "Group":
            if group != GROUP:
                found.append(unsupported_value(f"{path}.apiGroup", group, [GROUP]))
        case kind:
            found.append(unsupported_value(f"{path}.kind", kind, ["ServiceAccount", "User", "Group"]))
    return found
