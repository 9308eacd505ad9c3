"""Kinds with rules, and what is wrong with them or with their objects, so that two servers' words can be compared."""

from __future__ import annotations

import copy
import re
import time
from pathlib import Path
from typing import Any

from expressions import RULES, SCHEMA

from devserver_support.servers import Answer, Server

GROUP = "rules.example.dev"
EXPRESSIONS = (Path(__file__).parent / "expressions.txt").read_text().splitlines()
BATCHES = [EXPRESSIONS[i : i + 60] for i in range(0, len(EXPRESSIONS), 60)]
Faults = dict[str, list[str]]


def definition(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Of a kind with this schema of its spec."""
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}}  # fmt: skip
    names = {"plural": f"{name}s", "singular": name, "kind": name.capitalize()}
    spec = {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": f"{name}s.{GROUP}"}, "spec": spec}  # fmt: skip


def faults(answer: Answer) -> Faults:
    """What is wrong, by field; names of types have a number in Kubernetes that is never the same."""
    found: Faults = {}
    for cause in (answer.body.get("details") or {}).get("causes", []):
        message = f"{cause['reason']}: {re.sub(r'selfType[0-9]*', 'selfType', cause['message'])}"
        found.setdefault(cause["field"], []).append(message)
    return {field: sorted(messages) for field, messages in found.items()}


def with_rules(*rules: dict[str, Any]) -> dict[str, Any]:
    """The schema that expressions speak of, with these rules."""
    return copy.deepcopy(SCHEMA) | {RULES: list(rules)}


def checked(expression: str) -> dict[str, Any]:
    """A rule that never holds, whatever the expression's value is."""
    return {"rule": f"[{expression}].size() == 2"}


def shown(expression: str) -> dict[str, Any]:
    """A rule that says the expression's value."""
    return {"rule": "false", "message": "not shown", "messageExpression": f"'%s'.format([{expression}])"}


def make(server: Server, name: str, spec: dict[str, Any]) -> Faults:
    """Create an object of a kind that has just been defined; what is wrong with it."""
    path = f"/apis/{GROUP}/v1/namespaces/default/{name}s"
    while server.ask("GET", path).status != 200:
        time.sleep(0.05)
    body = {"apiVersion": f"{GROUP}/v1", "kind": name.capitalize(), "metadata": {"name": "x"}, "spec": spec}
    return faults(server.ask("POST", path, body))


def by_expression(found: Faults, batch: list[str]) -> dict[str, Any]:
    """Faults with the expression that they are of, for messages that can be read."""
    return {
        f"{re.sub(r'.*e([0-9]+).*', lambda match: batch[int(match[1])], field)} | {field}": each
        for field, each in found.items()
    }
