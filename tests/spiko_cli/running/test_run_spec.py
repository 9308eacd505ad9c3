"""What a file asks `spiko run` for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spiko_cli.errors import SpikoError
from spiko_cli.manifests import parse, read_files
from spiko_cli.running.run_spec import Wish, choose_wish, faults_of, silenced, with_endpoint

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
FAULT = """
apiVersion: spiko.dev/v1alpha1
kind: Fault
metadata: {name: mine, namespace: elsewhere, uid: x}
spec: {architecture: lamp, kill: {tier: memcache}}
"""


def lamp() -> str:
    """The example."""
    return (EXAMPLES / "lamp.yaml").read_text()


def read(text: str) -> Wish:
    """A wish of a text."""
    return choose_wish(list(parse(text.encode(), "f")), "f")


def test_the_victim_tier_loses_one_pod_at_half_time() -> None:
    """Deleted without grace, drawn by the seed; an architecture without a victim loses none."""
    wish = read(lamp())
    (fault,) = faults_of(wish, seed=7)
    harmless = lamp().replace("victim:", "description:")

    assert {"tier": "webserver", "method": "Delete", "gracePeriodSeconds": 0} == fault["spec"]["kill"]
    assert ("lamp", 7) == (fault["spec"]["architecture"], fault["spec"]["seed"])
    assert [] == faults_of(read(harmless), seed=7)


def test_the_files_own_faults_take_its_place() -> None:
    """Those of this architecture; what only a server says, and the namespace, are dropped."""
    other = FAULT.replace("architecture: lamp", "architecture: other").replace("mine", "others")
    (fault,) = faults_of(read(f"{lamp()}---{FAULT}---{other}"), seed=1)

    assert {"name": "mine"} == fault["metadata"]
    assert {"tier": "memcache"} == fault["spec"]["kill"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(FAULT, "no Architecture", id="none"),
        pytest.param(f"{lamp()}---\n{lamp().replace('name: lamp', 'name: pool')}", "2 Architectures (lamp, pool)", id="two"),
    ],
)  # fmt: skip
def test_a_run_is_of_one_architecture(text: str, words: str) -> None:
    """Else it says what is there, and what takes any number."""
    with pytest.raises(SpikoError, match="kubectl apply") as caught:
        read(text)

    assert words in str(caught.value)


def test_manifests_of_the_course_differ_only_where_they_must() -> None:
    """An endpoint is added beside the sampling share, silence is in the sources only, and the wish itself stays as it was."""
    wish = read(lamp() + "  telemetry: {samplesPerMillion: 5}\n")
    before = repr(wish)
    quiet, traced = silenced(wish.architecture), with_endpoint(wish.architecture, "http://here")

    assert {"www": 0} == {s["name"]: s["ratePerSecond"] for s in quiet["spec"]["services"] if "ratePerSecond" in s}
    assert {"samplesPerMillion": 5, "otlpEndpoint": "http://here"} == traced["spec"]["telemetry"]
    assert before == repr(wish)
    assert frozenset({"www"}) == wish.sources


@pytest.mark.parametrize(
    "file", sorted(p.name for p in EXAMPLES.glob("*.yaml") if "kind: Architecture" in p.read_text())
)
def test_every_example_is_a_wish(file: str) -> None:
    """Each of them can be run by its file."""
    wish = choose_wish(list(read_files((str(EXAMPLES / file),))), file)
    services: list[dict[str, Any]] = wish.architecture["spec"]["services"]

    assert wish.sources
    assert wish.sources < {service["name"] for service in services}
