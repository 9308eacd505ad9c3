"""Rules of custom kinds: what they say, and that none of them runs for ever. What they mean is compared with Kubernetes in `differential`."""

from __future__ import annotations

import contextlib
import random
import time
from typing import Any

import pytest
from expressions import SCHEMA, VALUE
from rulings import EXPRESSIONS

from kube_devserver.custom.cel import types as ty
from kube_devserver.custom.cel.check import Environment, compile_expression
from kube_devserver.custom.cel.estimate import estimate
from kube_devserver.custom.cel.faults import CelError, CompileError, CostError
from kube_devserver.custom.cel.run import compile_program
from kube_devserver.custom.cel.schemas import declare
from kube_devserver.custom.custom_resources import custom_node
from kube_devserver.custom.validation_rules import run_rules

HUGE, NESTED = [str(i) for i in range(100_000)], [[str(i) for i in range(1000)]] * 1000
SIGNS = "()[]{}.,?:+-*/%<>=!&|'\"`\\ aZ09_\n\u00e9\ud800"
MOST_S = 10.0  # a moment, on a machine that is busy with something else


def value_of(expression: str, value: Any = None) -> Any:
    """An expression's, with a value of any type as `self`."""
    return compile_program(compile_expression(expression, Environment({"self": ty.DYN})))({"self": value})[0]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("self.all(x, self.exists(y, y == x))", HUGE), ("self.map(x, self + self).size() > 0", HUGE),
        ("self.all(x, self == self)", NESTED), ("self.map(x, '%s'.format([self])).size() > 0", HUGE),
        ("self.all(x, self.indexOf(x) >= 0)", NESTED), ("self.map(x, self.map(y, y)).flatten().size() > 0", HUGE),
        ("lists.range(1000000000).size() > 0", None), ("self.distinct().size() > 0", HUGE), ("self.sort().size() > 0", HUGE),
        ("self.replace('', self).size() > 0", "x" * 100_000), ("[self, self].join(self).size() > 0", "x" * 9_000_000),
    ],
)  # fmt: skip
def test_what_takes_too_long_is_stopped(expression: str, value: Any) -> None:
    """Whatever it is that takes so long: steps, comparisons, or the making of lists and texts."""
    began = time.monotonic()

    with pytest.raises(CostError):
        value_of(expression, value)
    assert time.monotonic() - began < MOST_S


@pytest.mark.parametrize(
    "expression",
    ["(" * 500 + "1" + ")" * 500, "!" * 5000 + "true", "-" * 5000 + "x", "[" * 2000, " + ".join("1" * 2000)],
)
def test_depth_has_an_end(expression: str) -> None:
    """Deep nesting is refused or evaluated, and never ends the process."""
    with contextlib.suppress(CompileError):
        value_of(expression)


def test_a_chain_of_conditions_may_be_long() -> None:
    """Thousands of them are as deep as a dozen."""
    assert value_of(" && ".join(["true"] * 5000)) is True


def test_digits_are_those_of_ascii() -> None:
    """Python would read Arabic ones as well."""
    with pytest.raises(CompileError, match="token recognition error"):
        value_of("٣ > 1")


def test_any_text_is_an_expression_or_none() -> None:
    """Good expressions with characters put in, left out, or of others: refused, wrong or right, and never a fault of our own."""
    source, declaration = random.Random(1), declare(SCHEMA)
    assert declaration is not None
    environment, value = Environment({"self": declaration.type}, declaration.objects), declaration.convert(VALUE)
    for _ in range(5000):
        text, other = source.choice(EXPRESSIONS), source.choice(EXPRESSIONS)
        for _ in range(source.randint(1, 3)):
            at, cut = source.randint(0, len(text)), source.randint(0, 3)
            text = text[:at] + source.choice(["", source.choice(SIGNS), other[cut : cut + 9]]) + text[at + cut :]
        with contextlib.suppress(CelError):
            tree = compile_expression(text, environment)
            estimate(tree, declaration.size_of)
            compile_program(tree)({"self": value})


def found(schema: dict[str, Any], value: Any, old: Any = None) -> list[str]:
    """What the rules of a spec's schema say of a value."""
    node = custom_node({"type": "object", "properties": {"spec": schema}})
    causes = run_rules(node, {"spec": value}, {"spec": old} if old is not None else None)
    return [f"{cause.field}: {cause.text}" for cause in causes]


def test_messages_and_paths() -> None:
    """A message may be an expression, and a fault may be another field's."""
    rule = {
        "rule": "self.a < self.b",
        "messageExpression": "'%d is not below %d'.format([self.a, self.b])",
        "fieldPath": ".a",
    }
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "x-kubernetes-validations": [rule],
    }

    assert ["spec.a: Invalid value: 2 is not below 1"] == found(schema, {"a": 2, "b": 1})


def test_rules_of_transitions() -> None:
    """They run when there is an old value; with an optional one always."""
    never = {"rule": "oldSelf == self", "message": "it stays"}
    once = {
        "rule": "!oldSelf.hasValue() || oldSelf.value() == self",
        "optionalOldSelf": True,
        "message": "it stays once it is there",
    }
    schema = {"type": "string", "x-kubernetes-validations": [never, once]}

    assert [] == found(schema, "a")
    assert ['spec: Invalid value: "b": it stays', 'spec: Invalid value: "b": it stays once it is there'] == found(
        schema, "b", "a"
    )
