"""The rules of a custom kind's schema, `x-kubernetes-validations`: compiled once, and run on each object. After apiextensions' schema/cel."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from kube_devserver.api_errors import Cause, prohibited, required, show
from kube_devserver.custom.cel import types as ty
from kube_devserver.custom.cel.check import Environment, compile_expression, variables_of
from kube_devserver.custom.cel.faults import CompileError, CostError, EvalError
from kube_devserver.custom.cel.run import Program, compile_program
from kube_devserver.custom.cel.schemas import Declaration, declare
from kube_devserver.custom.cel.tree import Node as Tree
from kube_devserver.custom.cel.values import NONE, Optional
from kube_devserver.custom.custom_resources import ROOT_FIELDS, by_key, is_same, key_of
from kube_devserver.custom.field_paths import normalized
from kube_devserver.objects import schema as s
from kube_devserver.objects.schema import Node

SELF, OLD = "self", "oldSelf"
BUDGET = 10_000_000  # that all rules of one object may cost; Kubernetes' own
MOST_MESSAGE_BYTES = 5 * 1024
BLOCKING = {
    "FieldValueNotSupported",
    "FieldValueRequired",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueTypeInvalid",
}
UNCHECKED = Cause(
    "<nil>", "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete"
    " validation",
)  # fmt: skip
_OUT_OF_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"


class _NoMoreError(Exception):
    """The budget is used up."""


@dataclass(frozen=True)
class Rule:
    """A rule that is ready to run."""

    document: Mapping[str, Any]
    holds: Program | None
    message: Program | None
    uses_old: bool
    optional_old: bool
    path: str
    fault: str = ""

    @property
    def shown(self) -> str:
        """What it is called in messages."""
        return str(self.document.get("message") or self.document["rule"]).strip()


def compile_tree(rule: Mapping[str, Any], name: str, declaration: Declaration) -> Tree:
    """A rule's expression, or that of its message, with types.

    Raises:
        CompileError: it is none for values of this type.
    """
    old = ty.optional_of(declaration.type) if rule.get("optionalOldSelf") else declaration.type
    environment = Environment({SELF: declaration.type, OLD: old}, declaration.objects)
    return compile_expression(str(rule[name]), environment)


def rules_after_faults(node: Node, value: Any, old: Any, faults: list[Cause], warnings: list[str]) -> list[Cause]:
    """What the rules add to the faults of the schema: they need a value that has the right types."""
    if any(cause.reason in BLOCKING for cause in faults):
        return [UNCHECKED] if has_rules(node) else []
    return run_rules(node, value, old, warnings=warnings)


def run_rules(node: Node, value: Any, old: Any, path: str = "", warnings: list[str] | None = None) -> list[Cause]:
    """Every rule that does not hold.

    Args:
        node: of the value.
        value: new.
        old: what stood at the same place before; None if nothing did, and then rules about transitions do not run.
        path: of the value.
        warnings: gets the rules that do not hold of what is as it was before: a rule that has come since keeps nobody from changing the rest.
    """
    runner = _Runner(warnings if warnings is not None else [])
    with contextlib.suppress(_NoMoreError):
        runner.run(node, value, old, path)
    return runner.found


def has_rules(node: Node) -> bool:
    """Whether a rule stands here or below; most of a schema has none."""
    found = node.__dict__.get("_has_rules")
    if found is None:
        node.__dict__["_has_rules"] = False  # a schema that contains itself ends here
        below = [*(node.fields.values() if node.kind == s.STRUCT else ()), *([node.element] if node.element else ())]
        found = bool(_documents(node)) or any(has_rules(each) for each in below)
        node.__dict__["_has_rules"] = found
    return bool(found)


def _documents(node: Node) -> list[Mapping[str, Any]]:
    """A place's own rules, and those of the schemas that it must fulfil as well."""
    schemas = [node.document, *(each for each in node.document.get("allOf") or () if isinstance(each, Mapping))]
    return [rule for each in schemas for rule in each.get("x-kubernetes-validations") or ()]


def _compiled(node: Node, root: bool) -> tuple[Declaration | None, list[Rule]]:
    found: tuple[Declaration | None, list[Rule]] | None = node.__dict__.get("_rules")
    if found is None:
        found = _compile_all(
            json.dumps(node.document), root or bool(node.document.get("x-kubernetes-embedded-resource"))
        )
        node.__dict__["_rules"] = found
    return found


@lru_cache(1_000)
def _compile_all(text: str, root: bool) -> tuple[Declaration | None, list[Rule]]:
    """By the schema's text: a definition that is written again keeps what was compiled."""
    document = json.loads(text)
    declaration = declare(document, root)
    documents = _documents(Node(document, lambda name: {}, custom=True))
    return declaration, [_compile(each, declaration, document) for each in documents] if declaration is not None else []


def _compile(rule: Mapping[str, Any], declaration: Declaration, document: Mapping[str, Any]) -> Rule:
    optional = bool(rule.get("optionalOldSelf"))
    path = normalized(rule["fieldPath"], document) if rule.get("fieldPath") else ""
    try:
        tree = compile_tree(rule, "rule", declaration)
    except CompileError as error:
        return Rule(rule, None, None, False, optional, path, f"rule compile error: compilation failed: {error}")
    message = None
    if rule.get("messageExpression"):
        try:
            message = compile_program(compile_tree(rule, "messageExpression", declaration))
        except CompileError:
            message = None  # the message stays
    return Rule(rule, compile_program(tree), message, OLD in variables_of(tree), optional, path)


class _Runner:
    """Runs rules until the budget is used up."""

    def __init__(self, warnings: list[str]) -> None:
        self.found: list[Cause] = []
        self._warnings = warnings
        self._left = BUDGET

    def run(self, node: Node, value: Any, old: Any, path: str) -> None:
        """All rules of a value and of those below it."""
        if not has_rules(node) or value is None:
            return
        if _documents(node):
            self._run_here(node, value, old, path)
        if isinstance(value, dict):
            for name, each in value.items():
                child = node.fields.get(name) if node.kind == s.STRUCT else node.element
                if child is not None and (path or name not in ROOT_FIELDS):
                    before = old.get(name) if isinstance(old, dict) else None
                    self.run(child, each, before, f"{path}.{name}" if path else name)
        elif isinstance(value, list) and node.element is not None:
            matched = by_key(node, old)
            for i, each in enumerate(value):
                self.run(node.element, each, matched.get(key_of(node, each)), f"{path}[{i}]")

    def _run_here(self, node: Node, value: Any, old: Any, path: str) -> None:
        declaration, rules = _compiled(node, not path)
        if declaration is None or not rules:
            return
        if self._left <= 0:
            self._fail(path, node, _OUT_OF_BUDGET)
            raise _NoMoreError
        is_kept = old is not None and is_same(value, old)
        variables = {SELF: declaration.convert(value)}
        if old is not None:
            variables[OLD] = declaration.convert(old)
        for rule in rules:
            if rule.fault:
                self._fail(path, node, rule.fault)
            elif not rule.uses_old or old is not None or rule.optional_old:
                before = len(self.found)
                self._run_rule(rule, node, value, path, _with_optional(variables) if rule.optional_old else variables)
                if is_kept and not rule.uses_old:
                    self._warnings += [f"{cause.field}: {cause.text}" for cause in self.found[before:]]
                    del self.found[before:]

    def _run_rule(self, rule: Rule, node: Node, value: Any, path: str, variables: Mapping[str, Any]) -> None:
        assert rule.holds is not None
        try:
            holds, cost = rule.holds(variables)
        except CostError as error:
            text = f"'{error}': no further validation rules will be run due to call cost exceeds limit for rule: {rule.shown}"
            self._fail(path, node, text)
            raise _NoMoreError from error
        except EvalError as error:
            self._fail(path, node, _describe(error, rule))
            return
        self._spend(cost, path, node)
        if holds is not True:
            self.found.append(self._broken(rule, node, value, path, variables))

    def _spend(self, cost: int, path: str, node: Node) -> None:
        self._left -= cost
        if self._left < 0:
            self._fail(path, node, _OUT_OF_BUDGET)
            raise _NoMoreError

    def _fail(self, path: str, node: Node, text: str) -> None:
        kind = show(node.document.get("type", ""))
        self.found.append(Cause(path or "<nil>", "FieldValueInvalid", f"Invalid value: {kind}: {text}"))

    def _broken(self, rule: Rule, node: Node, value: Any, path: str, variables: Mapping[str, Any]) -> Cause:
        where = ".".join(part for part in (path, rule.path) if part) or "<nil>"
        message = self._message(rule, node, where, variables)
        if message is None:
            message = str(rule.document.get("message") or "").strip() or f"failed rule: {rule.shown}"
        match rule.document.get("reason"):
            case "FieldValueForbidden":
                return prohibited(where, message)
            case "FieldValueRequired":
                return required(where, message)
            case "FieldValueDuplicate":
                shown = "" if isinstance(value, dict | list) else f": {show(value)}"
                return Cause(where, "FieldValueDuplicate", f"Duplicate value{shown}")
        shown = "" if isinstance(value, dict | list) else f"{show(value)}: "  # an object is too much to show
        return Cause(where, "FieldValueInvalid", f"Invalid value: {shown}{message}")

    def _message(self, rule: Rule, node: Node, where: str, variables: Mapping[str, Any]) -> str | None:
        """What the message's own expression says; None if it says nothing of use."""
        if rule.message is None:
            return None
        try:
            text, cost = rule.message(variables)
        except CostError as error:
            shown = show(rule.document["messageExpression"])
            text = (
                f"no further validation rules will be run due to call cost exceeds limit for messageExpression: {shown}"
            )
            self._fail(where, node, text)
            raise _NoMoreError from error
        except EvalError:
            return None
        self._spend(cost, where, node)
        text = text.strip() if isinstance(text, str) else ""
        return text if text and "\n" not in text and len(text.encode()) <= MOST_MESSAGE_BYTES else None


def _with_optional(variables: Mapping[str, Any]) -> dict[str, Any]:
    return {SELF: variables[SELF], OLD: Optional(variables[OLD]) if OLD in variables else NONE}


def _describe(error: EvalError, rule: Rule) -> str:
    if str(error).startswith("no such overload"):
        return f"'{error}': call arguments did not match a supported operator, function or macro signature for rule: {rule.shown}"
    return f"{error} evaluating rule: {rule.shown}"
