"""Validation rules: what they read, what they report, and that none of them runs for long."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest

from kube_devserver.api_errors import Cause
from kube_devserver.custom.expressions import CostError, ExpressionError, compile_expression, measure
from kube_devserver.custom.structural_schemas import schema_faults
from kube_devserver.custom.validation_rules import BUDGET_S, run_rules
from kube_devserver.objects.schema import custom_node

RULES = "x-kubernetes-validations"
HUGE, NESTED = [str(i) for i in range(100_000)], [[str(i) for i in range(1000)]] * 1000
SHORT = [str(i) for i in range(500)]
MOST_S = 10.0  # on a machine that is busy with something else
INTEGER, STRING = {"type": "integer"}, {"type": "string"}


def causes_of(
    schema: dict[str, Any], value: Any, old: Any = None, warnings: list[str] | None = None
) -> list[Cause]:
    """The causes for which the rules of a spec's schema refuse a value."""
    node = custom_node({"type": "object", "properties": {"spec": schema}})
    before = {"spec": old} if old is not None else None
    return run_rules(
        node, {"spec": value}, before, warnings if warnings is not None else [], time.process_time
    )


def texts_of(schema: dict[str, Any], value: Any, old: Any = None) -> list[str]:
    """These causes as text."""
    return [f"{cause.field}: {cause.text}" for cause in causes_of(schema, value, old)]


def struct(*rules: dict[str, Any], **properties: Any) -> dict[str, Any]:
    """The schema of an object with rules."""
    return {"type": "object", "properties": properties, RULES: list(rules)}


def test_a_message_and_a_path_may_be_the_rule_s_own() -> None:
    """Given messageExpression and fieldPath, when the rule is broken, then both are used."""
    message = "'%d is not below %d'.format([self.a, self.b])"
    schema = struct(
        {"rule": "self.a < self.b", "messageExpression": message, "fieldPath": ".a"}, a=INTEGER, b=INTEGER
    )

    assert ["spec.a: Invalid value: 2 is not below 1"] == texts_of(schema, {"a": 2, "b": 1})
    assert [] == texts_of(schema, {"a": 1, "b": 2})


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("FieldValueForbidden", "Forbidden: no"),
        ("FieldValueRequired", "Required value: no"),
        ("FieldValueInvalid", "Invalid value: no"),
        ("FieldValueDuplicate", "Duplicate value"),
    ],
)
def test_a_reason_decides_how_a_broken_rule_is_reported(reason: str, text: str) -> None:
    """Given a reason, when the rule is broken, then the cause has it."""
    (cause,) = causes_of(struct({"rule": "false", "message": "no", "reason": reason}), {})

    assert (reason, text) == (cause.reason, cause.text)


def test_transition_rules_need_an_old_value() -> None:
    """Given rules with oldSelf, when there is no old value, then only the one with an optional oldSelf is
    evaluated.
    """
    never = {"rule": "oldSelf == self", "message": "it stays"}
    once = {
        "rule": "!oldSelf.hasValue() || oldSelf.value() == self",
        "optionalOldSelf": True,
        "message": "it stays",
    }
    schema = STRING | {RULES: [never, once]}

    assert [] == texts_of(schema, "a")
    assert ['spec: Invalid value: "b": it stays'] * 2 == texts_of(schema, "b", "a")


def test_an_unchanged_value_that_breaks_a_rule_is_warned_of() -> None:
    """Given a rule that was added later, when an update keeps the value, then the rule is a warning only."""
    schema = struct({"rule": "self.a == 1", "message": "a must be 1"}, a=INTEGER)
    warnings: list[str] = []

    assert [] == causes_of(schema, {"a": 2}, {"a": 2}, warnings)
    assert ["spec: Invalid value: a must be 1"] == warnings
    assert ["spec: Invalid value: a must be 1"] == texts_of(schema, {"a": 3}, {"a": 2})


def test_items_of_a_keyed_list_are_compared_with_their_old_values() -> None:
    """Given a transition rule of an item, when items are reordered, then each meets its own old value."""
    item = struct({"rule": "self.v >= oldSelf.v", "message": "v must not fall"}, name=STRING, v=INTEGER)
    parts = {
        "type": "array",
        "items": item,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    }
    old = [{"name": "a", "v": 1}, {"name": "b", "v": 5}]

    assert [] == texts_of(parts, [{"name": "b", "v": 5}, {"name": "a", "v": 2}], old)
    assert ["spec[0]: Invalid value: v must not fall"] == texts_of(parts, [{"name": "b", "v": 4}], old)


def test_reserved_names_are_escaped() -> None:
    """Given fields whose names CEL cannot spell, when a rule escapes them as Kubernetes does, then it reads
    them.
    """
    properties = {"package": STRING, "a-b": STRING, "c.d": STRING, "e__f": STRING}
    rule = "self.__package__ + self.a__dash__b + self.c__dot__d + self.e__underscores__f == '1234'"
    schema = struct({"rule": rule}, **properties)

    assert [] == texts_of(schema, {"package": "1", "a-b": "2", "c.d": "3", "e__f": "4"})


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("self.map(x, x).sum() == 3", [1, 2]),
        ("self.sum() == 1.5", [1, 0.5]),
        ("self[0].split('.')[1] == '2'", ["1.2"]),
        ("self.all(x, x.matches('^[a-z]+$'))", ["a", "b"]),
        ("size(self) == 2 && self.exists(x, x == 'a')", ["a", "b"]),
        ("self[?5].orValue('none') == 'none'", ["a"]),
    ],
)
def test_functions_of_kubernetes_rules(rule: str, value: Any) -> None:
    """Given functions that rules use, when they are evaluated, then they have Kubernetes' results."""
    assert [] == texts_of({"type": "array", RULES: [{"rule": rule}]}, value)


def test_an_evaluation_error_breaks_the_rule() -> None:
    """Given a rule without a value, when it is evaluated, then the cause names the error and the rule."""
    (cause,) = causes_of(struct({"rule": "self.a == 1"}), {})

    assert cause.text.endswith('Key not found in map : "a" evaluating rule: self.a == 1')


@pytest.mark.parametrize(
    ("rule", "field", "text"),
    [
        ({"rule": "self."}, "rule", "compilation failed: ERROR: <input>:1:6: Syntax error"),
        ({"rule": "1"}, "rule", "cel expression must evaluate to a bool"),
        ({"rule": "none(self)"}, "rule", "undeclared reference to 'none'"),
        ({"rule": "\u0663 > 1"}, "rule", "token recognition error"),
        ({"rule": "true", "messageExpression": "1"}, "messageExpression", "must evaluate to a string"),
        ({"rule": "true", "messageExpression": "("}, "messageExpression", "compilation failed"),
        (
            {"rule": "true", "optionalOldSelf": True},
            "optionalOldSelf",
            "may not be set if oldSelf is not used",
        ),
        ({"rule": "true", "fieldPath": ".none"}, "fieldPath", "must be a valid path"),
        ({"message": "x"}, "rule", "rule is not specified"),
    ],
)
def test_a_rule_that_does_not_compile_is_refused_with_its_path(
    rule: dict[str, Any], field: str, text: str
) -> None:
    """Given a definition with a wrong rule, when it is validated, then path and message name the mistake."""
    causes = schema_faults(struct(rule), "schema")

    assert [f"schema.{RULES}[0].{field}"] == [cause.field for cause in causes]
    assert text in causes[0].text


def test_old_values_of_unkeyed_items_cannot_be_used() -> None:
    """Given a list without keys, when a rule of its items uses oldSelf, then the definition is refused."""
    items = {"type": "array", "items": STRING | {RULES: [{"rule": "self == oldSelf"}]}}
    (cause,) = schema_faults({"type": "object", "properties": {"l": items}}, "schema")

    assert (
        "oldSelf cannot be used on the uncorrelatable portion of the schema within schema.properties[l]"
        in cause.text
    )


# ------------------------------------------------------------------ bounds


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("self.all(x, self.exists(y, y == x))", HUGE),
        ("self.map(x, self + self).size() > 0", HUGE),
        ("self.map(x, self + self).map(x, x + x).map(x, x + x).size() > 0", SHORT),
        ("self.all(x, self == self)", NESTED),
        ("[1, 2, 3, 4, 5, 6, 7, 8].all(x, [1, 2, 3, 4, 5, 6, 7, 8].all(y, self == self))", NESTED),
        ("self.map(x, '%s'.format([self])).size() > 0", HUGE),
        ("self.all(x, self.map(y, y).size() > 0)", HUGE),
        ("self.replace('', self).size() > 0", "x" * 100_000),
        ("self.replace('', self).replace('', self).size() > 0", "x" * 1_000),
        ("self.split('').all(x, self.split('').all(y, x == y))", "x" * 100_000),
        ("self.split('').join(self).size() > 0", "x" * 100_000),
        ("self.all(x, x.matches('((a{100}){10})'))", ["a" * 1000] * 1000),
        ("self.all(x, x.matches(x))", ["(a{500}b{400})" * 60] * 1000),
        (" + ".join(["self"] * 31) + " == self", "x" * 1_000_000),
    ],
)
def test_a_hostile_rule_or_value_is_stopped(expression: str, value: Any) -> None:
    """Given a rule whose evaluation would take minutes or fill the memory, when it is evaluated, then it is
    refused.
    """
    began = time.process_time()
    try:
        compiled = compile_expression(expression)
    except ExpressionError:
        return  # the library refuses it
    with pytest.raises(CostError):
        compiled.evaluate({"self": value}, measure(value))

    assert time.process_time() - began < MOST_S


@pytest.mark.parametrize(
    "expression",
    ["(" * 500 + "1" + ")" * 500, "!" * 5000 + "true", "-" * 50_000 + "x", "[" * 2000, " + ".join("1" * 2000),
     "self" + ".a" * 20_000, "[1].map(a, " * 300 + "true" + ")" * 300, "'" + "x" * 2_000_000 + "' == self",
     "\ud800"],
)  # fmt: skip
def test_a_deep_or_long_expression_is_refused_or_compiled(expression: str) -> None:
    """Given deep nesting or much text, when it is compiled, then the process survives in bounded time."""
    began = time.process_time()
    with contextlib.suppress(ExpressionError):
        compile_expression(expression)

    assert time.process_time() - began < MOST_S


def test_a_chain_of_conditions_may_be_long() -> None:
    """Given thousands of conditions, when they are evaluated, then nesting is no obstacle."""
    assert compile_expression(" && ".join(["true"] * 5000)).evaluate({"self": None}) is True


def test_all_rules_of_an_object_share_a_budget() -> None:
    """Given a clock that jumps over the budget, when the second rule is due, then no further rule is
    evaluated.
    """
    times = iter([0.0, 0.0, BUDGET_S + 1, BUDGET_S + 1])
    schema = {
        "type": "object",
        "properties": {"spec": struct({"rule": "true"}, {"rule": "false"}, {"rule": "false"})},
    }
    (cause,) = run_rules(custom_node(schema), {"spec": {}}, None, [], lambda: next(times))

    assert "running out of cost budget" in cause.text


def test_a_thousand_items_with_nested_loops_are_within_the_budget() -> None:
    """Given many small items with costly-looking rules, when they are evaluated, then all are, and in good
    time.
    """
    inner = {"type": "array", "items": {"type": "object", "properties": {"v": STRING}}}
    rule = {"rule": "self.vs.all(n, oldSelf.vs.all(o, o.v != n.v || n.v == o.v))"}
    item = struct(rule, name=STRING, vs=inner)
    items = {
        "type": "array",
        "items": item,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    }
    value = [{"name": str(i), "vs": [{"v": f"1.{k}.0"} for k in range(8)]} for i in range(1000)]
    began = time.process_time()

    assert [] == texts_of(items, value, value)
    assert time.process_time() - began < BUDGET_S
