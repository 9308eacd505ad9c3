"""Spiko's counts and traces, compared with an independent load generator (vegeta)
and trace reader (Jaeger).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.architectures import architecture, service
from tests.support.collectors import Jaeger, jaeger
from tests.support.counters import read_counts
from tests.support.local_cluster import Cluster, need_binaries
from tests.support.paths import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.real]  # building vegeta and Jaeger needs Go
LAMP = ROOT / "examples" / "lamp.yaml"
RATE, ATTACK_S, WINDOW_S = 150, 5, 15
KNOWN, UNKNOWN = "/k/why%3F", "/k/unknown"


def vegeta(targets: list[str]) -> dict[str, Any]:
    """Send GET requests at a constant rate; return the report of vegeta."""
    binary = need_binaries() / "vegeta"
    assert binary.exists(), f"{binary} is missing: python tests/support/control_plane/build.py load"
    text = "\n".join(f"GET {target}" for target in targets)
    attack = [str(binary), "attack", f"-rate={RATE}", f"-duration={ATTACK_S}s"]
    results = subprocess.run(attack, input=text.encode(), capture_output=True, check=True, timeout=60).stdout
    report = [str(binary), "report", "-type=json"]
    found: dict[str, Any] = json.loads(
        subprocess.run(report, input=results, capture_output=True, check=True).stdout
    )
    return found


def silent_shop(cluster: Cluster, namespace: str) -> list[str]:
    """Apply a shop whose source sends nothing; return the addresses of its load balancers."""
    services = (
        service("db", "store", 2),
        service("web", "monolith", 3, "db", behavior={"errorsPerMillion": 100_000}),
        service("lb", "elb", 2, "web"),
        service("www", "denominator", 0, "lb", regions=0, load={"ratePerSecond": 0}),
    )
    cluster.apply(architecture("shop", *services), namespace)
    cluster.until_settled("shop", namespace)
    return [pod["status"]["podIP"] for pod in cluster.items("pods", namespace, "spiko.dev/tier=lb")]


def test_counts_are_those_of_an_independent_load_generator(cluster: Cluster, namespace: str) -> None:
    """Given a source at rate 0, when vegeta sends hits, misses and requests that get 503, then `spiko top`
    and the eurekas have its counts.
    """
    addresses = silent_shop(cluster, namespace)
    top = [sys.executable, "-m", "spiko_cli", "top", "shop", "-n", namespace, "--once", "--json"]
    top += ["-t", str(WINDOW_S)]
    with subprocess.Popen(top, env=cluster.environ, cwd=ROOT, stdout=subprocess.PIPE) as watching:
        time.sleep(3)  # until `spiko top` follows the eurekas; its window is longer than this and the attack
        report = vegeta([f"http://{a}:8080{path}" for a in addresses for path in (KNOWN, KNOWN, UNKNOWN)])
        output, _ = watching.communicate(timeout=60)
    rows = {row["name"]: row for row in json.loads(output)["edges"]}
    counts = read_counts(cluster, namespace, "shop")
    codes = {code: report["status_codes"].get(code, 0) for code in ("200", "404", "503")}

    assert len(addresses) == 2
    assert report["requests"] == RATE * ATTACK_S == sum(codes.values())
    assert all(codes.values())
    assert set(rows) == {"lb -> web", "web -> db"}
    row, edge, served = rows["lb -> web"], counts.edges["lb", "web"], counts.served["lb"]
    errors = {"injected": codes["503"]}
    assert (codes["200"], codes["404"], errors) == (row["ok"], row["miss"], row["errors"])
    assert (codes["200"], codes["404"], errors) == (edge.ok, edge.miss, edge.errors)
    assert (codes["200"], codes["404"], errors) == (served.ok, served.miss, served.errors)
    below = counts.edges["web", "db"]
    assert (codes["200"], codes["404"], {}) == (below.ok, below.miss, below.errors)


def wait_for_the_last_span(cluster: Cluster, reader: Jaeger) -> dict[str, dict[str, Any]]:
    """Return every trace of every service by its id, once no span has arrived for three seconds."""
    seen: list[tuple[float, int]] = []

    def read() -> dict[str, dict[str, Any]]:
        traces = {t["traceID"]: t for name in reader.services() for t in reader.traces(name, 5_000)}
        spans = sum(len(trace["spans"]) for trace in traces.values())
        if not seen or seen[-1][1] != spans:
            seen.append((time.monotonic(), spans))
        return traces if time.monotonic() - seen[-1][0] > 3 else {}

    found: dict[str, dict[str, Any]] = cluster.until("the last span", read, 40)
    return found


def read_tree(trace: dict[str, Any]) -> list[tuple[str, str]]:
    """Return caller tier and callee tier of each hop; fail if the trace is not a tree."""
    spans = {span["spanID"]: span for span in trace["spans"]}
    tiers = {id: trace["processes"][span["processID"]]["serviceName"] for id, span in spans.items()}
    parents = {id: [r["spanID"] for r in span["references"]] for id, span in spans.items()}
    assert len(spans) == len(trace["spans"])
    assert [tiers[id] for id, above in parents.items() if not above] == ["www"]
    assert all(above[0] in spans and len(above) == 1 for above in parents.values() if above)
    for id in spans:
        path = [id]
        while parents[path[-1]]:
            path += parents[path[-1]]
            assert len(path) <= len(spans), "a circle"
    return [
        (tiers[above[0]], tiers[id])
        for id, above in parents.items()
        if above and tiers[above[0]] != tiers[id]
    ]


def test_jaeger_reads_trees_over_the_predicted_pairs(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    """Given lamp that exports to Jaeger, then each trace is one tree, services are the tiers, and the hops
    are those that the eurekas counted for each pair of tiers.
    """
    lamp = yaml.safe_load(LAMP.read_text())
    source = next(s for s in lamp["spec"]["services"] if s["name"] == "www")
    source["load"] = {"ratePerSecond": 40}
    with jaeger(tmp_path) as reader:
        lamp["spec"]["telemetry"] = {"otlpEndpoint": reader.endpoint}
        cluster.apply(lamp, namespace)
        cluster.until_settled("lamp", namespace)
        cluster.until("200 traces", lambda: len(reader.traces("www", 5_000)) >= 200)
        source["load"] = {"ratePerSecond": 0}
        cluster.apply(lamp, namespace)
        cluster.until_settled("lamp", namespace)
        traces = wait_for_the_last_span(cluster, reader)
        services = set(reader.services())
        counts = read_counts(cluster, namespace, "lamp")
    predicted = cluster.spiko("graph", "-f", str(LAMP), "--nodes", "kind-config.yaml", "--json").stdout
    tiers = {node["name"]: node["tier"] for node in json.loads(predicted)["nodes"]}
    pairs = {(tiers[edge["source"]], tiers[edge["target"]]) for edge in json.loads(predicted)["edges"]}
    hops = Counter(pair for trace in traces.values() for pair in read_tree(trace))

    assert services == set(tiers.values())
    assert set(hops) == pairs
    assert dict(hops) == {pair: count.total for pair, count in counts.edges.items()}
    assert len(traces) == counts.edges["www", "webserver-elb"].total
