"""Alert rules and dashboard of the chart: every metric in them exists, and every alert has a remedy."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from tests.spiko_operator.test_metrics_page import read_table
from tests.support.paths import ROOT

FILES = ROOT / "charts" / "spiko" / "files"
METRIC = re.compile(r"\b(?:spiko|process)_\w+")
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FILES / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((FILES / "dashboard.json").read_text())


def metrics_of(expressions: list[str]) -> set[str]:
    """Return the names of the metrics in expressions, without the suffix of a histogram's bucket."""
    return {name.removesuffix("_bucket") for text in expressions for name in METRIC.findall(text)}


def expressions() -> list[str]:
    """Return all expressions of the dashboard."""
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def test_alerts_use_metrics_of_the_table_only() -> None:
    """Given the alert rules, then every metric in them is in the table of docs/metrics.md."""
    assert metrics_of([rule["expr"] for rule in RULES]) <= read_table().keys()


def test_the_dashboard_has_a_panel_for_every_metric() -> None:
    """Given the dashboard, then its panels have all metrics of the table and no other ones."""
    assert read_table().keys() == metrics_of(expressions())


def test_alerts_and_panels_select_labels_that_exist() -> None:
    """Given a selector of an expression, then its labels are those of the metric or of the scrape."""
    table, scraped = read_table(), {"namespace", "job"}
    for text in (*(rule["expr"] for rule in RULES), *expressions()):
        for name, selector in re.findall(r"\b((?:spiko|process)_\w+)\{([^}]*)\}", text):
            labels = set(re.findall(r"(\w+)[=!]", selector))
            assert labels <= table[name.removesuffix("_bucket")][1] | scraped, text


def test_every_alert_says_what_happens_and_has_a_section_with_the_remedy() -> None:
    """Given an alert, then it has a severity and two texts, and troubleshooting has a section for it."""
    headings = re.findall(r"^### (\w+)$", (ROOT / "docs" / "troubleshooting.md").read_text(), re.MULTILINE)
    for rule in RULES:
        notes = rule["annotations"]
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert notes["summary"].endswith(".")
        assert notes["description"].endswith(".")
        assert f"docs/troubleshooting.md#{rule['alert'].lower()}" == notes["runbook"]
    assert [rule["alert"] for rule in RULES] == headings


def test_the_dashboard_asks_the_data_source_of_its_variable() -> None:
    """Given the dashboard, then every panel and query uses the variable, and no two panels overlap."""
    assert "datasource" in [variable["name"] for variable in DASHBOARD["templating"]["list"]]
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        assert {"${datasource}"} == {p["datasource"]["uid"] for p in (panel, *panel["targets"])}
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len(DASHBOARD["panels"]) == len({panel["id"] for panel in DASHBOARD["panels"]})
