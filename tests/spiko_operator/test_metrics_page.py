"""`/metrics` of an operator process that works on a stored cluster, compared with `docs/metrics.md`."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from devserver_support.servers import TOKEN, Own, free_port, own_home
from tests.support.paths import CRDS, EXAMPLES, ROOT

RULES = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ARCHITECTURES = "/apis/spiko.dev/v1alpha1/namespaces/default/architectures"
ROW = re.compile(r"^\| ((?:spiko_operator_|process_)[^|]+) \| (\w+) \|([^|]*)\|", re.MULTILINE)
Table = dict[str, tuple[str, frozenset[str]]]


def read_table() -> Table:
    """Return type and labels of the operator's metrics, as the page of the docs lists them."""
    page = (ROOT / "docs" / "metrics.md").read_text()
    section = page.partition("\n## Operator\n")[2].partition("\n## ")[0]
    return {
        name: (kind, frozenset(re.findall(r"\w+", labels)))
        for names, kind, labels in ROW.findall(section)
        for name in names.split(", ")
    }


def read_families(families: dict[str, Metric]) -> Table:
    """Return type and labels of the metrics of a page."""
    found = {}
    for family in families.values():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels}
        found[name] = (family.type, frozenset(labels - {"le"}))
    return found


@contextmanager
def operator(own: Own, folder: Path) -> Iterator[str]:
    """Run an operator of an API server; yield the URL of its HTTP server."""
    authority = base64.b64encode((own.home / "pki" / "ca.crt").read_bytes()).decode()
    server = {"server": f"https://127.0.0.1:{own.server.port}", "certificate-authority-data": authority}
    document = {
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": server}],
        "users": [{"name": "c", "user": {"token": TOKEN}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }
    (folder / "config").write_text(yaml.safe_dump(document))
    listen = f"127.0.0.1:{free_port()}"
    environ = os.environ | {"KUBECONFIG": str(folder / "config"), "SPIKO_HTTP_LISTEN": listen}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "spiko_operator"], env=environ, stdout=log, stderr=log
        )
    try:
        yield f"http://{listen}"
    finally:
        process.terminate()
        process.wait(20)


def read_page(url: str) -> dict[str, Metric]:
    """Return the families of a page; empty before the server listens."""
    try:
        with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
            text = answer.read().decode()
    except urllib.error.URLError:
        return {}
    assert "lamp" not in text
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(families: dict[str, Metric], name: str, **labels: str) -> float:
    """Return the sum of the samples with this name and these labels, among others."""
    samples = [sample for family in families.values() for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def test_the_table_of_the_docs_is_the_page(tmp_path: Path) -> None:
    """Given an Architecture that the operator has reconciled, then its page has the metrics of the table with
    the same types and labels, and no other ones; the counts are those of the objects, and no label has the
    name of an object.
    """
    with own_home() as own:
        own.start()
        for path in sorted(CRDS.glob("*.yaml")):
            assert 201 == own.server.ask("POST", RULES, yaml.safe_load(path.read_text())).status
        lamp = yaml.safe_load((EXAMPLES / "lamp.yaml").read_text())
        with operator(own, tmp_path) as url:
            assert 201 == own.server.ask("POST", ARCHITECTURES, lamp).status
            end = time.monotonic() + 60
            families: dict[str, Metric] = {}
            while not value(families, "spiko_operator_cached_objects", kind="Deployment"):
                assert time.monotonic() < end, (tmp_path / "log").read_text()[-3000:]
                time.sleep(0.1)
                families = read_page(url)
            settled = value(families, "spiko_operator_reconciles_total", result="success") + 1
            while value(families, "spiko_operator_reconciles_total", result="success") < settled:
                assert time.monotonic() < end, (tmp_path / "log").read_text()[-3000:]
                time.sleep(0.1)
                families = read_page(url)

    assert read_table() == read_families(families)
    deployments = value(families, "spiko_operator_cached_objects", kind="Deployment")
    created = value(
        families, "spiko_operator_api_requests_total", verb="patch", resource="deployments", code="201"
    )
    assert deployments == created > 3
    assert (1, 1) == (
        value(families, "spiko_operator_cached_objects", kind="Architecture"),
        value(families, "spiko_operator_leader"),
    )
    assert 0 == value(families, "spiko_operator_reconciles_total", result="error")
    assert 0 < value(families, "spiko_operator_list_age_seconds") < 60
