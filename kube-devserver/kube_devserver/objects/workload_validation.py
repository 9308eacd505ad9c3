"""Validation of Deployments, ReplicaSets and PodDisruptionBudgets. After k8s.io/kubernetes, in its words.

The controllers rely on these checks.
"""

from __future__ import annotations

import re

from kube_devserver.api_errors import IMMUTABLE, Cause, prohibited, required, unsupported_value, wrong
from kube_devserver.objects.kinds import Body
from kube_devserver.objects.pod_validation import pod_spec_faults
from kube_devserver.objects.selectors import label_faults, matches_selector, selector_faults

RECREATE, ROLLING = "Recreate", "RollingUpdate"
IN_PERCENT = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex"
    " used for validation is '[0-9]+%')"
)
UNMATCHED = "`selector` does not match template `labels`"


def deployment_faults(body: Body, old: Body | None) -> list[Cause]:
    """Every error of a Deployment."""
    spec = body["spec"]
    found = replica_set_faults(body, old) + _strategy_faults(spec.get("strategy") or {}, "spec.strategy")
    found += _not_negative(spec, "revisionHistoryLimit")
    deadline, least = spec.get("progressDeadlineSeconds"), spec.get("minReadySeconds", 0)
    if deadline is not None:
        found += _not_negative(spec, "progressDeadlineSeconds")
        if deadline <= least:
            text = "must be greater than minReadySeconds"
            found.append(wrong("spec.progressDeadlineSeconds", deadline, text))
    return found


def replica_set_faults(body: Body, old: Body | None) -> list[Cause]:
    """Every error of a ReplicaSet, and those that a Deployment shares with it."""
    spec = body["spec"]
    found = _not_negative(spec, "replicas") + _not_negative(spec, "minReadySeconds")
    selector = spec.get("selector")
    faults = selector_faults(selector, "spec.selector")
    found += faults
    if selector is None:
        found.append(required("spec.selector"))
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        found.append(wrong("spec.selector", selector, "empty selector is invalid for deployment"))
    if faults:
        shown = dict(selector or {})
        if "matchExpressions" in shown:  # Go shows key and operator even if they are empty
            empty = {"key": "", "operator": ""}
            shown["matchExpressions"] = [empty | each for each in shown["matchExpressions"]]
        found.append(wrong("spec.selector", shown, "invalid label selector"))
    else:
        found += _template_faults(spec.get("template") or {}, selector)
    if old is not None and old["spec"].get("selector") != selector:
        found.append(wrong("spec.selector", selector, IMMUTABLE))
    return found


def _template_faults(template: Body, selector: Body | None) -> list[Cause]:
    labels, found = (template.get("metadata") or {}).get("labels") or {}, []
    is_empty = selector is not None and not any(map(selector.get, ("matchLabels", "matchExpressions")))
    if not is_empty and not matches_selector(selector, labels):
        found.append(wrong("spec.template.metadata.labels", labels or None, UNMATCHED))
    found += label_faults(labels, "spec.template.labels")
    spec = template.get("spec") or {}
    found += pod_spec_faults(spec, "spec.template.spec")
    policy = spec.get("restartPolicy", "Always")
    if policy != "Always":
        found.append(unsupported_value("spec.template.spec.restartPolicy", policy, ["Always"]))
    return found


def _strategy_faults(strategy: Body, path: str) -> list[Cause]:
    kind, rolling = strategy.get("type", ""), strategy.get("rollingUpdate")
    if kind == RECREATE:
        text = f"may not be specified when strategy `type` is '{RECREATE}'"
        return [] if rolling is None else [prohibited(f"{path}.rollingUpdate", text)]
    if kind != ROLLING:
        shown = {"Type": kind, "RollingUpdate": rolling}
        return [unsupported_value(path, shown, [RECREATE, ROLLING])]
    where = f"{path}.rollingUpdate"
    surge, unavailable = (rolling or {}).get("maxSurge", 0), (rolling or {}).get("maxUnavailable", 0)
    found = _limit_faults(unavailable, f"{where}.maxUnavailable") + _limit_faults(surge, f"{where}.maxSurge")
    if _amount(surge) == 0 and _amount(unavailable) == 0:
        found.append(wrong(f"{where}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0"))
    return found + _over_whole(unavailable, f"{where}.maxUnavailable")


def budget_faults(body: Body, old: Body | None) -> list[Cause]:
    """Every error of a PodDisruptionBudget."""
    spec = body.get("spec") or {}
    found = []
    if "minAvailable" in spec and "maxUnavailable" in spec:
        shown = {key: spec[key] for key in ("minAvailable", "maxUnavailable")}
        found.append(wrong("spec", shown, "minAvailable and maxUnavailable cannot be both set"))
    for name in ("minAvailable", "maxUnavailable"):
        if name in spec:
            found += _limit_faults(spec[name], f"spec.{name}") + _over_whole(spec[name], f"spec.{name}")
    found += selector_faults(spec.get("selector"), "spec.selector")
    policies = ["AlwaysAllow", "IfHealthyBudget"]
    policy = spec.get("unhealthyPodEvictionPolicy", policies[0])
    if policy not in policies:
        found.append(unsupported_value("spec.unhealthyPodEvictionPolicy", policy, policies))
    return found


def _limit_faults(value: int | str, path: str) -> list[Cause]:
    """Errors of a number or a percentage."""
    if isinstance(value, str):
        return [] if _percent(value) is not None else [wrong(path, value, IN_PERCENT)]
    return [wrong(path, value, "must be greater than or equal to 0")] if value < 0 else []


def _percent(value: int | str) -> int | None:
    return int(value[:-1]) if isinstance(value, str) and re.fullmatch("[0-9]+%", value) else None


def _amount(value: int | str) -> int:
    """A number or a percentage as Go reads it: another text counts as 0."""
    percent = _percent(value)
    if percent is not None:
        return percent
    return value if isinstance(value, int) else int(value) if re.fullmatch(r"[+-]?[0-9]+", value) else 0


def _over_whole(value: int | str, path: str) -> list[Cause]:
    return [wrong(path, value, "must not be greater than 100%")] if (_percent(value) or 0) > 100 else []


def _not_negative(spec: Body, name: str) -> list[Cause]:
    value = spec.get(name, 0)
    return [wrong(f"spec.{name}", value, "must be greater than or equal to 0")] if value < 0 else []
