"""Validation of pods and of pod templates. After ValidatePodSpec of k8s.io/kubernetes, in its words."""

from __future__ import annotations

import re

from kube_devserver.api_errors import Cause, prohibited, required, unsupported_value, wrong
from kube_devserver.objects.conditions import annotations_of
from kube_devserver.objects.kinds import Body
from kube_devserver.objects.names import IN_LABEL, LABEL, key_faults, value_faults
from kube_devserver.objects.selectors import operator_faults, selector_faults

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
IN_VARIABLE = (
    "a valid environment variable name must consist only of printable ASCII characters other than '='"
)
_MAY_CHANGE = ("activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations", "schedulingGates")


def pod_faults(body: Body, old: Body | None) -> list[Cause]:
    """Every error of a pod."""
    found = pod_spec_faults(body["spec"], "spec")
    cost = annotations_of(body).get(DELETION_COST)
    if cost is not None and not _is_int32(cost):
        found.append(wrong(f"metadata.annotations[{DELETION_COST}]", cost, "must be a 32bit integer"))
    if old is None:
        return found
    if _fixed(body["spec"]) != _fixed(old["spec"]):
        found.append(prohibited("spec", (
            "pod updates may not change fields other than"
            " `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
            "`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds`"
            " (allow it to be set to 1 if it was previously negative)"
        )))  # fmt: skip
    return found


def _fixed(spec: Body) -> Body:
    found = {key: value for key, value in spec.items() if key not in _MAY_CHANGE}
    for name in ("containers", "initContainers"):
        if name in found:
            found[name] = [{k: v for k, v in each.items() if k != "image"} for each in found[name]]
    return found


def _is_int32(text: str) -> bool:
    return re.fullmatch(r"0|-?[1-9]\d{0,9}", text) is not None and -(2**31) <= int(text) < 2**31


def pod_spec_faults(spec: Body, path: str) -> list[Cause]:
    """Every error of a pod's or a template's spec.

    Args:
        spec: the spec.
        path: of the spec, for messages.
    """
    containers = spec.get("containers") or []
    found = [] if containers else [required(f"{path}.containers")]
    seen: set[str] = set()
    for i, container in enumerate(containers):
        found += _container_faults(container, f"{path}.containers[{i}]", seen)
    policies = ["Always", "OnFailure", "Never"]
    if spec.get("restartPolicy", "Always") not in policies:
        found.append(unsupported_value(f"{path}.restartPolicy", spec["restartPolicy"], policies))
    grace = spec.get("terminationGracePeriodSeconds", 0)
    if grace < 0:
        text = "must be greater than or equal to 0"
        found.append(wrong(f"{path}.terminationGracePeriodSeconds", grace, text))
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    found += _affinity_faults(affinity, f"{path}.affinity.nodeAffinity")
    spread = spec.get("topologySpreadConstraints") or []
    return found + _spread_faults(spread, f"{path}.topologySpreadConstraints")


def _container_faults(container: Body, where: str, seen: set[str]) -> list[Cause]:
    found, name = [], container.get("name", "")
    if not name:
        found.append(required(f"{where}.name"))
    elif not LABEL.match(name):
        found.append(wrong(f"{where}.name", name, IN_LABEL))
    elif name in seen:
        found.append(Cause(f"{where}.name", "FieldValueDuplicate", f'Duplicate value: "{name}"'))
    seen.add(name)
    if not container.get("image", "").strip():
        found.append(required(f"{where}.image"))
    for j, port in enumerate(container.get("ports", ())):
        number = port.get("containerPort", 0)
        if not 0 < number < 65536:
            at, text = f"{where}.ports[{j}].containerPort", "must be between 1 and 65535, inclusive"
            found.append(wrong(at, number, text) if number else required(at))
    for j, entry in enumerate(container.get("env") or ()):
        found += _variable_faults(entry, f"{where}.env[{j}]")
    return found


def _variable_faults(entry: Body, where: str) -> list[Cause]:
    name = entry.get("name", "")
    if not name:
        return [required(f"{where}.name")]
    if not all(" " <= letter <= "~" and letter != "=" for letter in name):
        return [wrong(f"{where}.name", name, IN_VARIABLE)]
    source = entry.get("valueFrom")
    if source is not None and not source:
        text = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef`"
        text += " or `fileKeyRef`"
        return [wrong(f"{where}.valueFrom", "", text)]
    if source and entry.get("value"):
        return [wrong(f"{where}.valueFrom", "", "may not be specified when `value` is not empty")]
    return []


# ------------------------------------------------------------------ placement


def _affinity_faults(affinity: Body, path: str) -> list[Cause]:
    found: list[Cause] = []
    needed = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if needed is not None:
        where = f"{path}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
        terms = needed.get("nodeSelectorTerms") or []
        if not terms:
            found.append(required(where, "must have at least one node selector term"))
        for i, term in enumerate(terms):
            found += _term_faults(term, f"{where}[{i}]", strict=True)
    for i, preferred in enumerate(affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()):
        where = f"{path}.preferredDuringSchedulingIgnoredDuringExecution[{i}]"
        weight = preferred.get("weight", 0)
        if not 0 < weight <= 100:
            found.append(wrong(f"{where}.weight", weight, "must be in the range 1-100"))
        found += _term_faults(preferred.get("preference") or {}, f"{where}.preference", strict=False)
    return found


def _term_faults(term: Body, path: str, strict: bool) -> list[Cause]:
    """Errors of a node selector's term; in a preference, values that no label can have are accepted."""
    found: list[Cause] = []
    for i, each in enumerate(term.get("matchExpressions") or ()):
        where, key = f"{path}.matchExpressions[{i}]", each.get("key", "")
        found += operator_faults(each, where, compares=True)
        found += [wrong(f"{where}.key", key, text) for text in key_faults(key)]
        for j, value in enumerate((each.get("values") or ()) if strict else ()):
            found += [wrong(f"{where}.values[{j}]", value, text) for text in value_faults(value)]
    for i, each in enumerate(term.get("matchFields") or ()):
        where, key, operator = f"{path}.matchFields[{i}]", each.get("key", ""), each.get("operator", "")
        if operator not in ("In", "NotIn"):
            found.append(wrong(f"{where}.operator", operator, "not a valid selector operator"))
        elif len(each.get("values") or ()) != 1:
            text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            found.append(required(f"{where}.values", text))
        if key != "metadata.name":
            found.append(wrong(f"{where}.key", key, "not a valid field selector key"))
    return found


def _spread_faults(constraints: list[Body], path: str) -> list[Cause]:
    found: list[Cause] = []
    pairs = [(each.get("topologyKey", ""), each.get("whenUnsatisfiable", "")) for each in constraints]
    for i, (each, (key, action)) in enumerate(zip(constraints, pairs, strict=True)):
        where, skew = f"{path}[{i}]", each.get("maxSkew", 0)
        if skew <= 0:
            found.append(wrong(f"{where}.maxSkew", skew, "must be greater than zero"))
        if not key:
            found.append(required(f"{where}.topologyKey", "can not be empty"))
        if action not in ("DoNotSchedule", "ScheduleAnyway"):
            actions = ["DoNotSchedule", "ScheduleAnyway"]
            found.append(unsupported_value(f"{where}.whenUnsatisfiable", action, actions))
        if (key, action) in pairs[i + 1 :]:
            text = f'Duplicate value: "{{{key}, {action}}}"'
            found.append(Cause(f"{where}.{{topologyKey, whenUnsatisfiable}}", "FieldValueDuplicate", text))
        if (least := each.get("minDomains")) is not None:
            if least <= 0:
                found.append(wrong(f"{where}.minDomains", least, "must be greater than zero"))
            if action != "DoNotSchedule":
                text = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
                found.append(wrong(f"{where}.minDomains", least, text))
        for name in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            if each.get(name, "Honor") not in ("Honor", "Ignore"):
                found.append(unsupported_value(f"{where}.{name}", each[name], ["Honor", "Ignore"]))
        found += selector_faults(each.get("labelSelector"), f"{where}.labelSelector")
    return found
