"""The generated CustomResourceDefinitions are up to date and structural."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from spiko_operator.api.architecture import ArchitectureSpec
from spiko_operator.api.schema import architecture_crd, documents, fault_crd
from tests.support.paths import CRDS


def test_crds_are_up_to_date() -> None:
    """Given the models, when `make generate` runs, then no file under crds/ changes."""
    made = documents()

    assert made == {path.name: path.read_text() for path in CRDS.glob("*.yaml")}


def nodes(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return every node of a schema."""
    yield schema
    for child in schema.get("properties", {}).values():
        yield from nodes(child)
    for part in ("items", "additionalProperties"):
        if part in schema:
            yield from nodes(schema[part])


@pytest.mark.parametrize("crd", [architecture_crd(), fault_crd()], ids=["Architecture", "Fault"])
def test_schemas_are_structural_and_bounded(crd: dict[str, Any]) -> None:
    """Every node has one type and no reference, and every list, map and string of a spec is bounded, which
    limits the cost of CEL rules.
    """
    root = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for node in nodes(root):
        assert isinstance(node["type"], str)
        assert not {"$ref", "anyOf", "oneOf", "allOf"} & set(node)
    for node in nodes(root["properties"]["spec"]):
        if node["type"] == "array":
            assert "maxItems" in node
        if "additionalProperties" in node:
            assert "maxProperties" in node
        if node["type"] == "string":
            assert "maxLength" in node or "enum" in node
        if node["type"] == "integer":
            assert "maximum" in node


@pytest.mark.parametrize("crd", [architecture_crd(), fault_crd()], ids=["Architecture", "Fault"])
def test_no_default_is_inside_a_list(crd: dict[str, Any]) -> None:
    """Given a default inside a list, then the stored list differs from that of the user's file, and kubectl
    reports an unchanged file as configured. Other defaults are allowed.
    """
    root = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    items = [node["items"] for node in nodes(root) if "items" in node]

    assert items
    assert [] == [node for item in items for node in nodes(item) if "default" in node]
    assert any("default" in node for node in nodes(root))


def test_left_out_fields_of_items_have_the_defaults_of_the_models() -> None:
    """Given a tier without optional fields, then the model has regions 0 and no dependencies."""
    service = {"name": "a", "package": "store", "count": 1}
    (tier,) = ArchitectureSpec.model_validate({"services": [service]}, strict=False).services

    assert (0, []) == (tier.regions, tier.dependencies)
