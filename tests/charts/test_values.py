"""The chart's values: documented, checked by a schema, and its generated files are fresh."""

from __future__ import annotations

import json
import runpy
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from spiko_operator.api.schema import documents
from tests.support.helm import CHART, CLUSTER, EVERYTHING, NAMESPACED, run_helm
from tests.support.paths import ROOT

table = runpy.run_path(str(ROOT / "docs" / "chart_values.py"))


def test_chart_and_application_have_the_version_of_the_package() -> None:
    """Given Chart.yaml, then both of its versions are the version in pyproject.toml."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert (version, version) == (chart["version"], chart["appVersion"])


def test_custom_resource_definitions_of_the_chart_are_fresh() -> None:
    """Given the chart's copies of the CustomResourceDefinitions, then they are those of the models."""
    found = {path.name: path.read_text() for path in (CHART / "files" / "crds").iterdir()}

    assert documents() == found


def test_the_table_of_values_is_fresh() -> None:
    """Given the chart's README, then `make generate` would not change it: every value has a description."""
    assert table["page"](CHART) == (CHART / "README.md").read_text()


def test_a_value_without_a_description_is_refused() -> None:
    """Given a value without a comment, when the table is written, then an error names the value."""
    described = table["descriptions"]("a:\n  # -- Text.\n  b: 1\n  c: 2\n")

    assert {"a.b": "Text."} == described
    with pytest.raises(KeyError, match=r"a\.c: has no description"):
        list(table["rows"]({"a": {"b": 1, "c": 2}}, described))


def paths(schema: dict[str, Any], values: Any, path: str = "") -> Iterator[str]:
    """Return the paths at which schema and values have different names."""
    properties = schema.get("properties")
    if properties is None or not isinstance(values, dict) or not values:
        return
    yield from (f"{path}{name}" for name in sorted(properties.keys() ^ values.keys()))
    for name in properties.keys() & values.keys():
        yield from paths(properties[name], values[name], f"{path}{name}.")


def test_schema_and_defaults_have_the_same_values() -> None:
    """Given values.yaml, then the schema has exactly its names, and `global`, which Helm adds."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    assert ["global"] == list(paths(schema, values))


@pytest.mark.helm
@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"replica": 2}, ("'replica'",)),
        ({"image": {"tga": "1"}}, ("/image", "'tga'")),
        ({"image": {"tag": 1.0}}, ("/image/tag", "string")),
        ({"image": {"digest": "sha256:abc"}}, ("/image/digest", "pattern")),
        ({"image": {"pullPolicy": "Sometimes"}}, ("/image/pullPolicy", "'IfNotPresent'")),
        ({"nanoservice": {"image": {"repository": ""}}}, ("/nanoservice/image/repository",)),
        ({"scope": "node"}, ("/scope", "'cluster'")),
        ({"namespaces": ["a*"]}, ("/namespaces/0", "pattern")),
        ({"namespaces": ["a", "a"]}, ("/namespaces",)),
        ({"scope": "cluster", "namespaces": ["a"]}, ("/namespaces", "want 0")),
        ({"replicas": 2, "leaderElection": {"enabled": False}}, ("/replicas", "want 1")),
        ({"leaderElection": {"enabled": "true"}}, ("/leaderElection/enabled", "boolean")),
        ({"crds": {"install": "yes"}}, ("/crds/install", "boolean")),
        ({"chaos": {"allowDelete": 1}}, ("/chaos/allowDelete", "boolean")),
        ({"defaultCollector": "collector:4318"}, ("/defaultCollector", "pattern")),
        ({"keyEpoch": 0}, ("/keyEpoch", "want 1")),
        ({"resyncSeconds": 3601}, ("/resyncSeconds", "want 3,600")),
        ({"limits": {"maxPods": "many"}}, ("/limits/maxPods", "integer")),
        ({"limits": {"allowedImages": ["a,b"]}}, ("/limits/allowedImages/0", "pattern")),
        ({"resources": {"limits": {"memory": "256 MB"}}}, ("/resources/limits/memory",)),
        ({"tolerations": [{"keys": "a"}]}, ("/tolerations/0", "'keys'")),
        ({"podLabels": {"a": 1}}, ("/podLabels/a", "string")),
        ({"metrics": {"serviceMonitor": {"interval": "soon"}}}, ("/metrics/serviceMonitor/interval",)),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_wrong_values_are_refused_with_their_path(values: dict[str, Any], words: tuple[str, ...]) -> None:
    """Given a wrong value, when the chart is rendered, then the error has its path and what is allowed."""
    done = run_helm("template", "spiko", str(CHART), values=values)

    assert done.returncode != 0
    assert [] == [word for word in words if word not in done.stderr], done.stderr


@pytest.mark.helm
@pytest.mark.parametrize("values", [{}, EVERYTHING | NAMESPACED, EVERYTHING | CLUSTER], ids=str)
def test_helm_lint_finds_nothing(values: dict[str, Any]) -> None:
    """Given default and extreme values, then `helm lint --strict` has neither errors nor warnings."""
    done = run_helm("lint", "--strict", str(CHART), values=values)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout
