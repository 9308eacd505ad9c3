"""Alert rules of the chart, as Prometheus itself reads them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.control_plane.build import binaries
from tests.support.paths import ROOT

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.real,  # Prometheus is built with Go
    pytest.mark.skipif(
        not (binaries() / "promtool").exists(),
        reason="built on request: python tests/support/control_plane/build.py prometheus",
    ),
]
RULES = ROOT / "charts" / "spiko" / "files" / "alerts.yaml"
CASES = Path(__file__).with_name("alert_cases.yaml")


def promtool(*arguments: str) -> str:
    """Run promtool; return what it prints."""
    command = [str(binaries() / "promtool"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def test_rules_are_valid() -> None:
    """Given the rules, then promtool finds no error and no lint warning."""
    assert "SUCCESS" in promtool("check", "rules", "--lint=all", "--lint-fatal", str(RULES))


def test_alerts_fire_for_what_they_name_and_for_nothing_else(tmp_path: Path) -> None:
    """Given series of healthy and of broken operators, then exactly the alerts of the cases fire."""
    cases = tmp_path / "cases.yaml"
    cases.write_text(CASES.read_text().replace("{rules}", str(RULES)))

    assert "SUCCESS" in promtool("test", "rules", str(cases))
