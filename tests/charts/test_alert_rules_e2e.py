"""Alert rules and dashboard of the chart with Prometheus itself, and with an operator that it scrapes."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from devserver_support.servers import free_port, own_home
from tests.charts.test_monitoring import expressions
from tests.spiko_operator.test_metrics_page import RULES as DEFINITIONS
from tests.spiko_operator.test_metrics_page import operator
from tests.support.control_plane.build import binaries
from tests.support.paths import CRDS, ROOT

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


@contextmanager
def prometheus(target: str, folder: Path) -> Iterator[str]:
    """Run a Prometheus that scrapes a target every second; yield the URL of its API."""
    scrape = {"job_name": "o", "static_configs": [{"targets": [target], "labels": {"namespace": "s"}}]}
    every = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    document = {"global": every, "rule_files": [str(RULES)], "scrape_configs": [scrape]}
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(document))
    address = f"127.0.0.1:{free_port()}"
    command = [
        str(binaries() / "prometheus"),
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--scrape.discovery-reload-interval=500ms",  # otherwise the first scrape waits for 5 s
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield f"http://{address}/api/v1"
    finally:
        process.terminate()
        process.wait(20)


def ask(url: str, **query: str) -> Any:
    """Return the data of an answer of Prometheus; None before it listens."""
    try:
        with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError:
        raise
    except urllib.error.URLError:
        return None


def test_prometheus_scrapes_an_operator_and_evaluates_rules_and_panels(tmp_path: Path) -> None:
    """Given an operator at rest, then Prometheus has its samples, all rules are evaluated, no alert is
    pending or fires, and every expression of the dashboard is valid.
    """
    with own_home() as own:
        own.start()
        for path in sorted(CRDS.glob("*.yaml")):
            own.server.ask("POST", DEFINITIONS, yaml.safe_load(path.read_text()))
        with operator(own, tmp_path) as target, prometheus(target.removeprefix("http://"), tmp_path) as url:
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


def rules(url: str) -> list[dict[str, Any]]:
    """Return the rules with their state."""
    return [rule for group in ask(f"{url}/rules")["groups"] for rule in group["rules"]]
