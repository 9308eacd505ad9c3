"""Spans of a running architecture in Jaeger, through a Collector with TLS and a token that is set up as
docs/collectors.md says.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.architectures import shop
from tests.support.certificates import make_authority, make_certificate
from tests.support.collectors import Jaeger, collector, jaeger
from tests.support.control_plane.build import binaries
from tests.support.counters import read_counts, read_restarts
from tests.support.local_cluster import Cluster
from tests.support.paths import EXAMPLES, ROOT

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.real,  # the Collector and Jaeger are built with Go
    pytest.mark.timeout(240),
    pytest.mark.skipif(
        not (binaries() / "jaeger").exists(),
        reason="built on request: python tests/support/control_plane/build.py jaeger",
    ),
]
Object = dict[str, Any]
PAGE = (ROOT / "docs" / "collectors.md").read_text()
RATE = 20


def read_page(pattern: str) -> str:
    """Return the part of the page that the group of a pattern matches."""
    found = re.search(pattern, PAGE, re.MULTILINE | re.DOTALL)
    assert found, pattern
    return found[1]


HEADERS = read_page(r"^\$ cat headers\n(.*?)^\$")
CREATE = read_page(r"^\$ (kubectl create secret [^\n]* --from-file=ca\.crt)$")
UPDATE = read_page(r"^\$ (kubectl create secret [^\n]* apply -f -)$")
MANIFEST = read_page(r"^```yaml\n(.*?)^```$")


def enter(cluster: Cluster, namespace: str, folder: Path, command: str) -> None:
    """Run a command of the page in a folder, as a user of this namespace."""
    config = yaml.safe_load(Path(cluster.environ["KUBECONFIG"]).read_text())
    config["contexts"][0]["context"]["namespace"] = namespace
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))
    path = f"{Path(cluster.kubectl_path).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=cluster.environ | {"KUBECONFIG": str(folder / "kubeconfig"), "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert 0 == done.returncode, done.stderr


@contextmanager
def exporting(
    cluster: Cluster, namespace: str, folder: Path, services: list[Object]
) -> Iterator[tuple[Object, Jaeger]]:
    """Run the manifest of the page with these services, once Exporting is True; yield manifest and Jaeger."""
    authority = make_authority()
    (folder / "ca.crt").write_bytes(authority.pem)
    (folder / "headers").write_text(HEADERS)
    certificate = make_certificate(authority, "127.0.0.1").write(folder)
    with jaeger(folder) as store, collector(folder, certificate, "TOKEN", store.endpoint) as sink:
        enter(cluster, namespace, folder, CREATE)
        body = yaml.safe_load(MANIFEST.replace("https://otlp.example", sink.endpoint))
        body["spec"]["services"] = services
        cluster.apply(body, namespace)
        cluster.until_settled("shop", namespace, 60)
        cluster.until_true("shop", "Exporting", namespace)
        yield body, store


def find_faults(trace: Object) -> list[str]:
    """Return what a trace of Jaeger lacks: one root, and the parent of every other span."""
    known = {span["spanID"] for span in trace["spans"]}
    parents = [reference["spanID"] for span in trace["spans"] for reference in span["references"]]
    missing = [f"{trace['traceID']}: no span {parent}" for parent in parents if parent not in known]
    roots = len(trace["spans"]) - len(parents)
    return [*missing, *([f"{trace['traceID']}: {roots} roots"] if roots != 1 else [])]


def test_jaeger_has_the_whole_trace_of_every_request(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    """Given lamp with https, a token and compression, when its source has stopped, then Jaeger has one trace
    per request, each with one root and no span without its parent; its services are the tiers, and its
    dependencies the declared ones with the calls that the pods counted.
    """
    services = yaml.safe_load((EXAMPLES / "lamp.yaml").read_text())["spec"]["services"]
    source = next(each for each in services if each["package"] == "denominator")
    source["load"] = {"ratePerSecond": RATE}
    with exporting(cluster, namespace, tmp_path, services) as (body, store):

        def calls() -> dict[tuple[str, str], int]:
            edges = read_counts(cluster, namespace, "shop").edges
            return {pair: count.total for pair, count in edges.items() if count.total}

        cluster.until("requests", lambda: calls().get(("www", "webserver-elb"), 0) > 10 * RATE)
        source["load"] = {"ratePerSecond": 0}
        cluster.apply(body, namespace)
        cluster.until_settled("shop", namespace)
        cluster.until("the last spans", lambda: store.dependencies() == calls())
        counted, traces = calls(), store.traces("www", 10_000)
        found = [fault for trace in traces for fault in find_faults(trace)]
        names = store.services()

    assert [] == found
    assert len(traces) == counted["www", "webserver-elb"]
    assert sorted(each["name"] for each in services) == names
    declared = {(each["name"], to) for each in services for to in each.get("dependencies", ())}
    assert declared == counted.keys()


def test_exporting_follows_the_ca_of_the_secret(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """Given a shop whose spans a Collector takes, when another CA is in the Secret, then Exporting is False
    with the cause; with the right CA it is True again, and no pod was replaced or restarted.
    """
    with exporting(cluster, namespace, tmp_path, shop(rate=RATE)["spec"]["services"]) as (body, _):
        before, restarts = cluster.uids(namespace), read_restarts(cluster, namespace)
        right = (tmp_path / "ca.crt").read_bytes()
        update = UPDATE.replace("--from-file=headers", "--from-file=headers --from-file=ca.crt")

        def condition() -> Object:
            return cluster.condition("arch", "shop", "Exporting", namespace)

        (tmp_path / "ca.crt").write_bytes(make_authority().pem)
        enter(cluster, namespace, tmp_path, update)
        cluster.until("Exporting=False", lambda: condition()["status"] == "False", 60)
        failing = condition()
        (tmp_path / "ca.crt").write_bytes(right)
        enter(cluster, namespace, tmp_path, update)
        cluster.until("Exporting=True", lambda: condition()["status"] == "True", 90)

        assert "ExportFails" == failing["reason"]
        endpoint = body["spec"]["telemetry"]["otlpEndpoint"]
        assert failing["message"].startswith(f"{endpoint} does not take the spans of ")
        assert " pods: TLS: its certificate is signed by an unknown CA; " in failing["message"]
        assert before == cluster.uids(namespace)
        assert restarts == read_restarts(cluster, namespace)
