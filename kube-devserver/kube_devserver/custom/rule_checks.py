"""The rules of a schema that is being defined: they must compile, and must not cost too much. After apiextensions' validation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kube_devserver.api_errors import Cause, prohibited, required, unsupported_value, wrong
from kube_devserver.custom.cel import types as ty
from kube_devserver.custom.cel.check import variables_of
from kube_devserver.custom.cel.estimate import estimate
from kube_devserver.custom.cel.faults import CompileError
from kube_devserver.custom.cel.literals import program_fault
from kube_devserver.custom.cel.schemas import Declaration, declare
from kube_devserver.custom.cel.sizes import MOST
from kube_devserver.custom.field_paths import PathError, normalized
from kube_devserver.custom.validation_rules import OLD, compile_tree

Schema = Mapping[str, Any]
RULES = "x-kubernetes-validations"
REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
MOST_COST, MOST_TOTAL, NAMED = 10_000_000, 100_000_000, 4
_NEWLINE = re.compile(r"[\n\r]")


@dataclass
class Total:
    """What all rules of a version cost together, and the dearest of them."""

    cost: int = 0
    dearest: list[tuple[int, str]] = field(default_factory=list)

    def add(self, path: str, cost: int) -> None:
        """One more rule."""
        self.cost = min(self.cost + cost, MOST)
        if cost >= MOST_TOTAL // 100:
            self.dearest = sorted([*self.dearest, (cost, path)], key=lambda each: -each[0])[:NAMED]

    def faults(self, path: str) -> list[Cause]:
        """What is wrong if they are too many."""
        if self.cost <= MOST_TOTAL:
            return []
        text = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
        name = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
        return [prohibited(each, text) for _, each in self.dearest] + [
            prohibited(path, _too_dear(name, self.cost, MOST_TOTAL))
        ]


@dataclass(frozen=True)
class Place:
    """Where a schema stands.

    Args:
        path: for messages.
        root: whether it is the whole object's.
        times: how often its values can be there at most; None if nothing bounds it.
        uncorrelated: the path of the list above whose items have no old values; empty if there is none.
        total: what all rules cost.
    """

    path: str
    root: bool
    times: int | None
    uncorrelated: str
    total: Total

    def below(self, schema: Schema, path: str, uncorrelated: str = "") -> Place:
        """The place of a schema below one that stands here."""
        most = _most_elements(schema)
        times = min(self.times * most, MOST) if self.times is not None and most is not None else None
        return Place(path, False, times, self.uncorrelated or uncorrelated, self.total)


def _most_elements(schema: Schema) -> int | None:
    match schema.get("type"):
        case "object" if schema.get("additionalProperties"):
            return max(schema["maxProperties"], 0) if "maxProperties" in schema else None
        case "array":
            return max(schema["maxItems"], 0) if "maxItems" in schema else None
    return 1


def text_faults(schema: Schema, path: str) -> list[Cause]:
    """What is wrong with a place's rules before they are compiled."""
    found = []
    for i, rule in enumerate(schema.get(RULES) or ()):
        found += _text_faults(rule, schema, f"{path}.{RULES}[{i}]")
    return found


def _text_faults(rule: Schema, schema: Schema, path: str) -> list[Cause]:
    text, message, expression, where = (
        str(rule.get(name) or "") for name in ("rule", "message", "messageExpression", "fieldPath")
    )
    found = []
    if not text.strip():
        found.append(required(f"{path}.rule", "rule is not specified"))
    elif message and not message.strip():
        found.append(wrong(f"{path}.message", message, "must be non-empty if specified"))
    elif _NEWLINE.search(message.strip()):
        found.append(wrong(f"{path}.message", message, "must not contain line breaks"))
    elif _NEWLINE.search(text.strip()) and not message.strip():
        found.append(required(f"{path}.message", "message must be specified if rule contains line breaks"))
    if expression and not expression.strip():
        found.append(required(f"{path}.messageExpression", "messageExpression must be non-empty if specified"))
    if rule.get("reason") is not None and rule["reason"] not in REASONS:
        found.append(unsupported_value(f"{path}.reason", rule["reason"], REASONS))
    if where and not where.strip():
        found.append(wrong(f"{path}.fieldPath", where, "must be non-empty if specified"))
    if _NEWLINE.search(where):
        found.append(wrong(f"{path}.fieldPath", where, "must not contain line breaks"))
    if where and not _leads(where, schema):
        found.append(wrong(f"{path}.fieldPath", where, "must be a valid path"))
    return found


def _leads(path: str, schema: Schema) -> bool:
    try:
        normalized(path, schema)
    except PathError:
        return False
    return True


def compile_faults(schema: Schema, place: Place) -> list[Cause]:
    """What is wrong with a place's rules once they are compiled; its schema is right."""
    rules = schema.get(RULES) or ()
    if not rules:
        return []
    declaration = declare(schema, place.root or bool(schema.get("x-kubernetes-embedded-resource")))
    if declaration is None:
        text = "internal error: failed to construct type information for x-kubernetes-validations rules: unable to convert structural schema"
        return [Cause(f"{place.path}.{RULES}", "InternalError", f"Internal error: {text} to CEL declarations")]
    found = []
    for i, rule in enumerate(rules):
        found += _compile_faults(rule, declaration, place, f"{place.path}.{RULES}[{i}]")
    return found


def _compile_faults(rule: Schema, declaration: Declaration, place: Place, path: str) -> list[Cause]:
    found: list[Cause] = []
    try:
        tree = compile_tree(rule, "rule", declaration)
    except CompileError as error:
        found.append(wrong(f"{path}.rule", _spelled(rule), f"compilation failed: {error}"))
        tree = None
    if tree is not None and tree.type != ty.BOOL:
        found.append(wrong(f"{path}.rule", _spelled(rule), "cel expression must evaluate to a bool"))
        tree = None
    if tree is not None and (fault := program_fault(tree)):
        found.append(wrong(f"{path}.rule", _spelled(rule), f"program instantiation failed: {fault}"))
        tree = None
    if tree is not None:
        cost = min(
            estimate(tree, declaration.size_of) * (declaration.cardinality if place.times is None else place.times),
            MOST,
        )
        found = _dear(f"{path}.rule", "estimated rule cost", cost, place) + found
        if rule.get("messageExpression"):
            found += _message_faults(rule, declaration, place, path)
    if tree is not None and OLD in variables_of(tree):
        if place.uncorrelated:
            text = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {place.uncorrelated}"
            found.append(wrong(f"{path}.rule", rule["rule"], text))
    elif rule.get("optionalOldSelf") is not None:
        found.append(
            wrong(f"{path}.optionalOldSelf", rule["optionalOldSelf"], "may not be set if oldSelf is not used in rule")
        )
    return found


def _message_faults(rule: Schema, declaration: Declaration, place: Place, path: str) -> list[Cause]:
    where = f"{path}.messageExpression"
    try:
        tree = compile_tree(rule, "messageExpression", declaration)
    except CompileError as error:
        return [wrong(where, _spelled(rule), f"messageExpression compilation failed: {error}")]
    if tree.type != ty.STRING:
        return [wrong(where, _spelled(rule), "messageExpression must evaluate to a string")]
    if fault := program_fault(tree):
        return [wrong(where, _spelled(rule), f"messageExpression instantiation failed: {fault}")]
    return _dear(where, "estimated messageExpression cost", estimate(tree, declaration.size_of), place)


def _dear(path: str, name: str, cost: int, place: Place) -> list[Cause]:
    place.total.add(path, cost)
    return [prohibited(path, _too_dear(name, cost, MOST_COST))] if cost > MOST_COST else []


def _too_dear(name: str, cost: int, most: int) -> str:
    factor = cost / most
    shown = "more than 100x" if factor > 100 else f"{factor:.6f}x" if factor < 1.5 else f"{factor:.1f}x"
    return (
        f"{name} exceeds budget by factor of {shown} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where"
        " arrays, maps, and strings are declared)"
    )


def _spelled(rule: Schema) -> dict[str, Any]:
    """A rule as Go's struct of it is written in messages."""
    names = {
        "Rule": "",
        "Message": "",
        "MessageExpression": "",
        "Reason": None,
        "FieldPath": "",
        "OptionalOldSelf": None,
    }
    return {name: rule.get(name[0].lower() + name[1:], default) for name, default in names.items()}
