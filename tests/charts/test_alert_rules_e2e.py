"""Alert rules and dashboard of the chart with Prometheus itself, and with an operator that it scrapes."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
import yaml

from devserver_support.servers import own_home
from tests.charts.test_monitoring import expressions
from tests.spiko_operator.test_metrics_page import RULES as DEFINITIONS
from tests.spiko_operator.test_metrics_page import operator
from tests.support.control_plane.build import binaries
from tests.support.paths import CRDS
from tests.support.prometheus_server import RULES, ask, prometheus, rules

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.real,  # Prometheus is built with Go
    pytest.mark.skipif(
        not (binaries() / "promtool").exists(),
        reason="built on request: python tests/support/control_plane/build.py prometheus",
    ),
]
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


def test_prometheus_scrapes_an_operator_and_evaluates_rules_and_panels(tmp_path: Path) -> None:
    """Given an operator at rest, then Prometheus has its samples, all rules are evaluated, no alert is
    pending or fires, and every expression of the dashboard is valid.
    """
    with own_home() as own:
        own.start()
        for path in sorted(CRDS.glob("*.yaml")):
            own.server.ask("POST", DEFINITIONS, yaml.safe_load(path.read_text()))
        with (
            operator(own, tmp_path) as target,
            prometheus({"o": [target.removeprefix("http://")]}, tmp_path) as url,
        ):
            end = time.monotonic() + 60
            while not (ask(f"{url}/query", query="spiko_operator_leader == 1") or {}).get("result"):
                assert time.monotonic() < end, (tmp_path / "prometheus.log").read_text()[-3000:]
                time.sleep(0.2)
            evaluated = time.monotonic() + 10
            while "unknown" in (health := [rule["health"] for rule in rules(url)]):
                assert time.monotonic() < evaluated
                time.sleep(0.2)
            alerts = ask(f"{url}/alerts")["alerts"]
            for text in expressions():
                filled = (
                    text.replace("$__rate_interval", "10s").replace("$namespace", "s").replace("$job", "o")
                )
                ask(f"{url}/query", query=filled)

    assert {"ok"} == set(health)
    assert [] == [alert for alert in alerts if alert["labels"]["alertname"] != "SpikoOperatorDown"]
