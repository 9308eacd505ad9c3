"""Validation rules of custom kinds, `x-kubernetes-validations`: evaluated for each object. After
apiextensions' schema/cel.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kube_devserver.api_errors import Cause, prohibited, required, show
from kube_devserver.custom.custom_resources import by_key, is_same, key_of
from kube_devserver.custom.expressions import (
    OLD,
    SELF,
    CostError,
    Expression,
    ExpressionError,
    Sizes,
    compile_expression,
    measure,
    with_optional,
)
from kube_devserver.custom.field_paths import normalized
from kube_devserver.custom.pruning import ROOT_FIELDS
from kube_devserver.objects import schema as s
from kube_devserver.objects.schema import Node

Clock = Callable[[], float]
RULES = "x-kubernetes-validations"
BUDGET_S = 4.0  # that all rules of one object may take together
MOST_MESSAGE_BYTES = 5 * 1024
BLOCKING = {
    "FieldValueNotSupported",
    "FieldValueRequired",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueTypeInvalid",
}
UNCHECKED = Cause(
    "<nil>",
    "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; correct"
    " the existing errors to complete validation",
)
_KEYWORDS = {
    "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if",
    "import", "let", "loop", "package", "namespace", "return", "var", "void", "while",
}  # fmt: skip
_SPECIAL = re.compile(r"__|[.\-/]")
_SPELLED = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}


class _NoMoreError(Exception):
    """The object's budget is used up."""


def rules_after_faults(
    node: Node, value: Any, old: Any, faults: list[Cause], warnings: list[str], clock: Clock
) -> list[Cause]:
    """The rules that an object breaks, unless its schema has refused it for a reason that rules depend on."""
    if any(cause.reason in BLOCKING for cause in faults):
        return [UNCHECKED] if has_rules(node) else []
    return run_rules(node, value, old, warnings, clock)


def run_rules(node: Node, value: Any, old: Any, warnings: list[str], clock: Clock) -> list[Cause]:
    """Every rule that an object breaks.

    Args:
        node: the object's schema.
        value: the object.
        old: the object that it replaces; None for a create, for which transition rules are not evaluated.
        warnings: gets the broken rules of values that are as they were before: a rule that was added later
            does not keep clients from changing the rest of the object.
        clock: seconds of CPU time since any moment.
    """
    run = _Run(warnings, clock)
    with contextlib.suppress(_NoMoreError):
        run.visit(node, value, old, "")
    return run.found


def has_rules(node: Node) -> bool:
    """Whether a rule stands at this place of a schema or below it."""
    found = node.__dict__.get("_has_rules")
    if found is None:
        node.__dict__["_has_rules"] = False  # ends the recursion of a schema that contains itself
        fields = node.fields.values() if node.kind == s.STRUCT else ()
        below = [*fields, *([node.element] if node.element else ())]
        found = bool(documents(node.document)) or any(has_rules(each) for each in below)
        node.__dict__["_has_rules"] = found
    return bool(found)


def documents(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rules of one place: its own, and those of its `allOf`."""
    schemas = [document, *(each for each in document.get("allOf") or () if isinstance(each, Mapping))]
    return [rule for each in schemas for rule in each.get(RULES) or ()]


@dataclass
class _Rule:
    """A rule with its expressions."""

    document: Mapping[str, Any]
    holds: Expression | None = None
    created: Expression | None = None  # for a value without an old one, if `oldSelf` is optional
    message: Expression | None = None
    path: str = ""
    error: str = ""

    @property
    def shown(self) -> str:
        """The rule's name in messages."""
        return str(self.document.get("message") or self.document["rule"]).strip()


def _compile(rule: Mapping[str, Any], schema: Mapping[str, Any]) -> _Rule:
    text = str(rule["rule"])
    found = _Rule(rule, path=normalized(rule["fieldPath"], schema) if rule.get("fieldPath") else "")
    try:
        if rule.get("optionalOldSelf"):
            found.created = compile_expression(with_optional(text, False))
            found.holds = compile_expression(with_optional(text, True))
        else:
            found.holds = compile_expression(text)
        if rule.get("messageExpression"):
            found.message = compile_expression(str(rule["messageExpression"]))
    except ExpressionError as error:
        found.error = f"rule compile error: compilation failed: {error}"
    return found


def _compiled(node: Node) -> list[_Rule]:
    found: list[_Rule] | None = node.__dict__.get("_rules")
    if found is None:
        found = node.__dict__["_rules"] = [_compile(rule, node.document) for rule in documents(node.document)]
    return found


def escaped(name: str) -> str:
    """The spelling of a field's name in expressions.

    >>> escaped("package"), escaped("a-b"), escaped("c")
    ('__package__', 'a__dash__b', 'c')
    """
    if name in _KEYWORDS:
        return f"__{name}__"
    return _SPECIAL.sub(lambda match: _SPELLED[match[0]], name)


def to_variable(node: Node, value: Any) -> Any:
    """A value as expressions read it: fields in their escaped spelling, numbers as floats."""
    if isinstance(value, dict) and node.kind == s.STRUCT:
        return {
            escaped(name): to_variable(node.fields[name], each) if name in node.fields else each
            for name, each in value.items()
        }
    if isinstance(value, dict) and node.element is not None:
        return {name: to_variable(node.element, each) for name, each in value.items()}
    if isinstance(value, list) and node.element is not None:
        return [to_variable(node.element, each) for each in value]
    if isinstance(value, int) and node.document.get("type") == "number" and not isinstance(value, bool):
        return float(value)
    return value


@dataclass
class _Place:
    """A value whose rules are being evaluated."""

    node: Node
    value: Any
    old: Any
    path: str
    variables: dict[str, Any] = field(default_factory=dict)
    sizes: Sizes | None = None

    def __post_init__(self) -> None:
        self.variables = {SELF: to_variable(self.node, self.value)}
        if self.old is not None:
            self.variables[OLD] = to_variable(self.node, self.old)

    def evaluate(self, expression: Expression) -> Any:
        """The value of an expression at this place."""
        if expression.is_costly and self.sizes is None:
            self.sizes = measure(*self.variables.values())
        return expression.evaluate(self.variables, self.sizes if expression.is_costly else None)


class _Run:
    """The evaluation of all rules of one object, until its time is used up."""

    def __init__(self, warnings: list[str], clock: Clock) -> None:
        self.found: list[Cause] = []
        self._warnings, self._clock = warnings, clock
        self._end_s = clock() + BUDGET_S

    def visit(self, node: Node, value: Any, old: Any, path: str) -> None:
        """Evaluate the rules of a value and of the values below it."""
        if not has_rules(node) or value is None:
            return
        if rules := _compiled(node):
            self._check(_Place(node, value, old, path), rules)
        if isinstance(value, dict):
            for name, each in value.items():
                child = node.fields.get(name) if node.kind == s.STRUCT else node.element
                if child is not None and (path or name not in ROOT_FIELDS):
                    before = old.get(name) if isinstance(old, dict) else None
                    self.visit(child, each, before, f"{path}.{name}" if path else name)
        elif isinstance(value, list) and node.element is not None:
            matched = by_key(node, old)
            for i, each in enumerate(value):
                self.visit(node.element, each, matched.get(key_of(node, each)), f"{path}[{i}]")

    def _check(self, place: _Place, rules: list[_Rule]) -> None:
        is_kept = place.old is not None and is_same(place.value, place.old)
        for rule in rules:
            expression = rule.created if rule.created is not None and place.old is None else rule.holds
            if expression is None:
                self._fail(place, rule.error)
                continue
            uses_old = rule.holds is not None and rule.holds.uses_old
            if uses_old and place.old is None and rule.created is None:
                continue
            before = len(self.found)
            self._check_rule(place, rule, expression)
            if is_kept and not uses_old:
                self._warnings += [f"{cause.field}: {cause.text}" for cause in self.found[before:]]
                del self.found[before:]

    def _check_rule(self, place: _Place, rule: _Rule, expression: Expression) -> None:
        if self._clock() > self._end_s:
            text = "validation failed due to running out of cost budget"
            text += ", no further validation rules will be run"
            self._fail(place, text)
            raise _NoMoreError
        try:
            if place.evaluate(expression) is not True:
                self.found.append(_broken(place, rule))
        except CostError as error:
            text = "no further validation rules will be run due to call cost exceeds limit for rule"
            self._fail(place, f"'{error}': {text}: {rule.shown}")
            raise _NoMoreError from error
        except ExpressionError as error:
            self._fail(place, f"{error} evaluating rule: {rule.shown}")

    def _fail(self, place: _Place, text: str) -> None:
        kind = show(place.node.document.get("type", ""))
        self.found.append(Cause(place.path or "<nil>", "FieldValueInvalid", f"Invalid value: {kind}: {text}"))


def _broken(place: _Place, rule: _Rule) -> Cause:
    where = ".".join(part for part in (place.path, rule.path) if part) or "<nil>"
    message = (
        _own_message(place, rule)
        or str(rule.document.get("message") or "").strip()
        or f"failed rule: {rule.shown}"
    )
    is_large = isinstance(place.value, dict | list)  # an object is too much to show
    match rule.document.get("reason"):
        case "FieldValueForbidden":
            return prohibited(where, message)
        case "FieldValueRequired":
            return required(where, message)
        case "FieldValueDuplicate":
            text = "Duplicate value" if is_large else f"Duplicate value: {show(place.value)}"
            return Cause(where, "FieldValueDuplicate", text)
    shown = "" if is_large else f"{show(place.value)}: "
    return Cause(where, "FieldValueInvalid", f"Invalid value: {shown}{message}")


def _own_message(place: _Place, rule: _Rule) -> str:
    """The value of the message's expression; empty if it has none that can be shown."""
    if rule.message is None:
        return ""
    try:
        text = place.evaluate(rule.message)
    except (CostError, ExpressionError):
        return ""
    text = text.strip() if isinstance(text, str) else ""
    return text if "\n" not in text and len(text.encode()) <= MOST_MESSAGE_BYTES else ""
