"""The specification of a run from a file."""

from __future__ import annotations

from typing import Any

import pytest

from spiko_cli.errors import SpikoError
from spiko_cli.manifests import parse, read_files
from spiko_cli.running.run_spec import RunSpec, choose_run, faults_of, silenced, with_endpoint
from tests.support.paths import EXAMPLES

FAULT = """
apiVersion: spiko.dev/v1alpha1
kind: Fault
metadata: {name: mine, namespace: elsewhere, uid: x}
spec: {architecture: lamp, kill: {tier: memcache}}
"""


def lamp() -> str:
    """Return the example lamp."""
    return (EXAMPLES / "lamp.yaml").read_text()


def read(text: str) -> RunSpec:
    """Return the run of a file with this text."""
    return choose_run(list(parse(text.encode(), "f")), "f")


def test_the_victim_tier_loses_one_pod_at_half_time() -> None:
    """Given a victim tier, then a Fault deletes one pod of it without grace; else there is no Fault."""
    spec = read(lamp())
    (fault,) = faults_of(spec, seed=7)
    harmless = lamp().replace("victim:", "description:")

    assert {"tier": "webserver", "method": "Delete", "gracePeriodSeconds": 0} == fault["spec"]["kill"]
    assert ("lamp", 7) == (fault["spec"]["architecture"], fault["spec"]["seed"])
    assert [] == faults_of(read(harmless), seed=7)


def test_faults_of_the_file_replace_the_kill() -> None:
    """Given Faults of two architectures, then the one of this run remains, without namespace and UID."""
    other = FAULT.replace("architecture: lamp", "architecture: other").replace("mine", "others")
    (fault,) = faults_of(read(f"{lamp()}---{FAULT}---{other}"), seed=1)

    assert {"name": "mine"} == fault["metadata"]
    assert {"tier": "memcache"} == fault["spec"]["kill"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(FAULT, "no Architecture found", id="none"),
        pytest.param(
            f"{lamp()}---\n{lamp().replace('name: lamp', 'name: pool')}", "2 Architectures (lamp, pool)",
            id="two",
        ),
    ],
)  # fmt: skip
def test_a_run_needs_exactly_one_architecture(text: str, message: str) -> None:
    """Given none or two, then the error names them, and the command that takes any number."""
    with pytest.raises(SpikoError, match="kubectl apply") as caught:
        read(text)

    assert message in str(caught.value)


def test_manifests_of_a_run_differ_only_in_rates_and_endpoint() -> None:
    """Given a manifest, then an endpoint keeps other telemetry, and silence changes sources only."""
    spec = read(lamp() + "  telemetry: {samplesPerMillion: 5}\n")
    before = repr(spec)
    quiet, traced = silenced(spec.architecture), with_endpoint(spec.architecture, "http://here")

    assert {"www": 0} == {
        s["name"]: s["load"]["ratePerSecond"] for s in quiet["spec"]["services"] if "load" in s
    }
    assert {"samplesPerMillion": 5, "otlpEndpoint": "http://here"} == traced["spec"]["telemetry"]
    assert before == repr(spec)
    assert frozenset({"www"}) == spec.sources


@pytest.mark.parametrize(
    "file", sorted(p.name for p in EXAMPLES.glob("*.yaml") if "kind: Architecture" in p.read_text())
)
def test_every_example_can_be_run(file: str) -> None:
    """Given an example, then it has sources and tiers behind them."""
    spec = choose_run(list(read_files((str(EXAMPLES / file),))), file)
    services: list[dict[str, Any]] = spec.architecture["spec"]["services"]

    assert spec.sources
    assert spec.sources < {service["name"] for service in services}
