"""Pure: the CEL rules of the CustomResourceDefinitions: what a schema alone cannot express.

The main rule is that the identity of a version never changes. The API server bounds the cost of rules by the
limits in `common.py`: it accepts 1,000 services of 8 versions, and would reject 12 versions.

Three properties of CEL shape the rules. `package` is a reserved word and is written `__package__`. `behavior`
of a service and of a version have different types, so they are compared as `dyn()`. Without the rule on
version 1.0.0, declaring the first versions would silently remove the version that a service without
`versions` runs.
"""

from __future__ import annotations

from typing import Any

from spiko_nanoservice.contract import EUREKA
from spiko_operator.api import fault
from spiko_operator.api.common import ARCHITECTURE_NAME_PATTERN, MAX_ARCHITECTURE_NAME
from spiko_operator.api.service import DEFAULT_VERSION

Rule = dict[str, Any]


def rule(cel: str, message: str) -> Rule:
    """Return one entry of `x-kubernetes-validations`."""
    return {"rule": cel, "message": message}


def one_of(fields: tuple[str, ...], text: str) -> Rule:
    """Return the rule that exactly one of these fields is given."""
    given = " + ".join(f"(has(self.{field}) ? 1 : 0)" for field in fields)
    return rule(f"{given} == 1", f"{text}: one of {', '.join(fields)}")


def identity_rule(name: str, dynamic: bool) -> Rule:
    """Return the rule that one part of a version's identity never changes.

    The part may be set at the version, or at the service for all versions without it.

    Args:
        name: package, image or behavior.
        dynamic: whether the part is an object, whose type differs between service and version.
    """
    field = f"__{name}__" if name == "package" else name
    wrap = (lambda text: f"dyn({text})") if dynamic else (lambda text: text)
    absent = "dyn({})" if dynamic else "''"

    def of_service(service: str) -> str:
        if name == "package":
            return f"{service}.{field}"
        return f"(has({service}.{field}) ? {wrap(f'{service}.{field}')} : {absent})"

    def of_version(version: str, service: str) -> str:
        return f"(has({version}.{field}) ? {wrap(f'{version}.{field}')} : {of_service(service)})"

    new, old, default = of_version("n", "self"), of_version("o", "oldSelf"), f"'{DEFAULT_VERSION}'"
    both = f"oldSelf.versions.all(o, o.version != n.version || {new} == {old})"
    first = f"(n.version != {default} || {new} == {of_service('oldSelf')})"
    last = f"oldSelf.versions.all(o, o.version != {default} || {of_service('self')} == {old})"
    plain = f"{of_service('self')} == {of_service('oldSelf')}"
    return rule(
        f"has(self.versions) ? self.versions.all(n, has(oldSelf.versions) ? {both} : {first})"
        f" : has(oldSelf.versions) ? {last} : {plain}",
        f"{name} is part of a version's identity and cannot change: add a version (services[].versions), "
        "or delete the Architecture first if it never ran",
    )


def service_rules() -> list[Rule]:
    """Return the rules on one service of an Architecture."""
    default = f"'{DEFAULT_VERSION}'"
    declared = (
        f"has(self.versions) ? self.versions.exists(v, v.version == s.version) : s.version == {default}"
    )
    return [
        identity_rule("package", dynamic=False),
        identity_rule("image", dynamic=False),
        identity_rule("behavior", dynamic=True),
        rule(
            f"!has(self.routing) || !has(self.routing.split) || self.routing.split.all(s, {declared})",
            "the split names a version that is not declared: declare it under versions, or name another "
            "version",
        ),
        rule(
            "has(oldSelf.versions) || !has(self.versions) || self.versions.exists(v, v.version == "
            f"{default})",
            f"the first list of versions must contain {DEFAULT_VERSION}, which runs now; remove it in a "
            "later edit",
        ),
    ]


def split_rules() -> list[Rule]:
    """Return the rules on a split."""
    return [
        rule("self.exists(s, s.weight > 0)", "at least one weight of a split must be above 0"),
        rule(
            "self.all(s, s.version.split('.')[0] == self[0].version.split('.')[0])",
            "a split must have one major (interface): versions of different majors cannot share traffic",
        ),
    ]


def service_time_rules(distributions: tuple[str, ...]) -> list[Rule]:
    """Return the rules on a service time."""
    return [one_of(distributions, "serviceTime must have exactly one distribution")]


def monkey_rules() -> list[Rule]:
    """Return the rules on the chaos monkey."""
    return [
        rule(
            "!has(self.minSeconds) || self.minSeconds <= self.meanSeconds",
            "minSeconds must not exceed meanSeconds, the mean time between kills: lower minSeconds or raise "
            "meanSeconds",
        )
    ]


def architecture_name_rules() -> list[Rule]:
    """Return the rules on the name of an Architecture."""
    pattern = ARCHITECTURE_NAME_PATTERN
    return [
        rule(
            f"size(self.metadata.name) <= {MAX_ARCHITECTURE_NAME} && self.metadata.name.matches('{pattern}')",
            f"metadata.name must have 1 to {MAX_ARCHITECTURE_NAME} of a-z, 0-9 and -, and start with a "
            "letter: "
            "the names of all owned objects begin with it",
        )
    ]


def fault_rules() -> list[Rule]:
    """Return the rules on the spec of a Fault."""
    return [
        rule("self == oldSelf", "the spec of a Fault cannot change: delete the Fault and create another one"),
        one_of(fault.KINDS, "a Fault must have exactly one kind of fault"),
    ]


def kill_rules() -> list[Rule]:
    """Return the rules on a kill."""
    narrowing = ("version", "region", "zone", "count", "percent")
    return [
        rule("has(self.tier) != has(self.pod)", "kill must have exactly one of tier and pod"),
        rule(
            "!has(self.gracePeriodSeconds) || self.method == 'Delete'",
            "gracePeriodSeconds requires method: Delete; an eviction uses the pod's own, a crash has none",
        ),
        rule("!has(self.count) || !has(self.percent)", "count and percent exclude each other: remove one"),
        rule(
            f"!has(self.pod) || !({' || '.join(f'has(self.{field})' for field in narrowing)})",
            "version, region, zone, count and percent select among a tier's pods: give tier instead of pod, "
            "or remove them",
        ),
        rule(
            f"self.method != 'Crash' || !has(self.tier) || self.tier != '{EUREKA}'",
            "method Crash cannot target eurekas (crashes are delivered through eurekas): "
            "use method: Delete with gracePeriodSeconds: 0",
        ),
    ]
