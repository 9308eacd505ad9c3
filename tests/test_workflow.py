"""The workflow for a host of the project: what it runs exists, and its actions cannot change."""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests.support.paths import ROOT

WORKFLOW = ROOT / ".github/workflows/ci.yaml"


def steps() -> list[dict[str, Any]]:
    """Return the steps of all jobs."""
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def test_actions_are_pinned_to_commits() -> None:
    """Given the workflow, then every action is named by a commit with its version in a comment: a tag can be
    moved.
    """
    used = [line for line in WORKFLOW.read_text().splitlines() if "uses:" in line]

    assert used
    assert [line for line in used if not re.search(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line)] == []


def test_make_targets_of_the_workflow_exist() -> None:
    """Given the workflow, then the Makefile has every target that it runs."""
    commands = [step["run"].split() for step in steps() if step.get("run", "").startswith("make ")]
    targets = {target for _, *names in commands for target in names}
    documented = re.findall(r"^([a-z0-9-]+):.*## .", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert targets
    assert targets <= set(documented)


def test_every_supported_python_is_tested() -> None:
    """Given the Python versions in pyproject.toml, then the workflow runs the tests with each."""
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    supported = re.findall(
        r"Programming Language :: Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text()
    )

    assert supported == jobs["tests"]["strategy"]["matrix"]["python"]
