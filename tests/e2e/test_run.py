"""`spiko run`: from a file to a report, with all created resources removed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from spiko_console.otlp import JSON, read_request, spans_of
from tests.support.local_cluster import Cluster, resting
from tests.support.paths import ROOT
from tests.support.signals import default_interrupts

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
LAMP = ROOT / "examples" / "lamp.yaml"


def small(**spec: Any) -> str:
    """Return two tiers and a source, as YAML."""
    services = [
        {"name": "db", "package": "store", "count": 2, "regions": 1},
        {"name": "web", "package": "monolith", "count": 2, "regions": 1, "dependencies": ["db"]},
        {
            "name": "www",
            "package": "denominator",
            "count": 0,
            "load": {"ratePerSecond": 50},
            "dependencies": ["web"],
        },
    ]
    body = {"apiVersion": "spiko.dev/v1alpha1", "kind": "Architecture", "metadata": {"name": "small"}}
    return yaml.safe_dump(body | {"spec": {"services": services} | spec})


@pytest.mark.long
@pytest.mark.usefixtures("cluster")  # stopped while another cluster is up
def test_run_without_a_cluster(tmp_path: Path) -> None:
    """Given no cluster, when lamp is run, then requests, traces and the kill in the report are consistent,
    and no process is left.
    """
    home, traces = Path(tempfile.mkdtemp(prefix="spk")), tmp_path / "traces.jsonl"
    shutil.rmtree(home)
    report, left = _run_lamp(home, traces)
    edges = {row["name"]: row["requests"] for row in report["edges"]}
    (kill,) = report["faults"]
    (victim,) = kill["status"]["victims"]
    requests = [read_request(line.encode(), JSON, "") for line in traces.read_text().splitlines()]
    spans = [span for request in requests for span in spans_of(request)]

    assert [] == left
    assert not home.exists()
    assert (23, 3, False) == (report["pods"], report["zones"], report["interrupted"])
    # Each request of the source takes one path, has one response, and is one trace.
    sent = report["sources"]["requests"]
    assert 540 <= sent <= 680
    assert {sent} == {edges["www -> webserver-elb"], edges["webserver-elb -> webserver"]}
    assert sent == report["traces"]["traces"] == len({span.trace_id for span in spans})
    assert len(spans) == report["traces"]["spans"]
    response = report["sources"]["distributions"]["response"]
    assert sent == sum(found["count"] for found in response) + report["sources"]["errors"].get("no_route", 0)
    # All failed requests are due to the kill.
    assert ("webserver", "Killed") == (victim["tier"], victim["state"])
    assert sum(report["sources"]["errors"].values()) == victim["failedRequests"] == report["traces"]["failed"]
    assert victim["replacedMilliseconds"] > 0
    assert {"www", "webserver-elb", "webserver", "memcache", "rds-mysql"} == {span.service for span in spans}


def _run_lamp(home: Path, traces: Path) -> tuple[dict[str, Any], list[Path]]:
    """Return the report of `spiko run` without a cluster, and the environments of processes that are left."""
    options = ["-d", "6", "--json", "--histograms", "--traces", str(traces)]
    command = [sys.executable, "-m", "spiko_cli", "run", str(LAMP), *options]
    environ = os.environ | {"SPIKO_HOME": str(home), "KUBECONFIG": ""}
    with resting():
        done = subprocess.run(
            command, env=environ, capture_output=True, text=True, check=False, cwd=ROOT, timeout=150
        )
        left = [path for path in Path("/proc").glob("[0-9]*/environ") if str(home).encode() in _read(path)]
    assert 0 == done.returncode, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report, left


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.long
def test_run_in_an_existing_cluster(cluster: Cluster, namespace: str) -> None:
    """Given a cluster, when a file is read from standard input, then the report is text, the architecture is
    removed and the cluster stays.
    """
    text = cluster.spiko("run", "-", "-d", "3", "-n", namespace, "--histograms", stdin=small()).stdout

    assert "small: 5 pods in 3 zones, ready after" in text
    assert "www -> web" in text
    assert re.search(r"\nslowest: (GET|PUT) ", text)
    assert "name: web -> db service, microseconds\nquantiles: [{50 " in text
    assert "fault" not in text
    assert [] == cluster.items("arch", namespace)
    assert [] == cluster.items("pods", namespace)
    assert cluster.spiko("status").returncode == 0


@pytest.mark.long
def test_keep_leaves_the_architecture_as_the_file_has_it(cluster: Cluster, namespace: str) -> None:
    """Given --keep, then the source sends again without exporting traces; a second run reports the existing
    architecture.
    """
    text = cluster.spiko("run", "-", "-d", "1", "-n", namespace, "--keep", stdin=small()).stdout
    spec = cluster.get("arch", "small", namespace)["spec"]
    again = cluster.spiko("run", "-", "-d", "1", "-n", namespace, stdin=small(), check=False)

    assert "still running; next:" in text
    assert "telemetry" not in spec
    assert 50 == next(s["load"]["ratePerSecond"] for s in spec["services"] if s["name"] == "www")
    words = f'spiko: architecture "small" already exists in namespace "{namespace}"'
    words += f"; `kubectl delete arch small -n {namespace}`"
    assert (1, words) == (again.returncode, again.stderr.split(", or")[0])
    assert "small" == cluster.items("arch", namespace)[0]["metadata"]["name"]


@pytest.mark.long
def test_run_after_keep_kills_again(cluster: Cluster, namespace: str) -> None:
    """Given --keep, then the Fault stays with its evidence until the Architecture is deleted, and another run
    with another seed kills again.
    """
    arguments = ("run", "-", "-d", "2", "-n", namespace, "--json")
    first = json.loads(cluster.spiko(*arguments, "--keep", stdin=small(victim="web")).stdout)
    kept = cluster.items("faults", namespace)
    cluster.kubectl("delete", "arch", "small", "-n", namespace)
    second = json.loads(cluster.spiko(*arguments, "--seed", "7", stdin=small(victim="web")).stdout)
    victims = [run["faults"][0]["status"]["victims"][0] for run in (first, second)]

    assert ["small-half-time"] == [fault["metadata"]["name"] for fault in kept]
    assert victims[0] == kept[0]["status"]["victims"][0]
    assert ["Killed", "Killed"] == [victim["state"] for victim in victims]
    assert victims[0]["uid"] != victims[1]["uid"]
    assert [] == cluster.items("faults", namespace)


@pytest.mark.parametrize("name", ["small-half-time", "mine"])
def test_existing_fault_is_reported(cluster: Cluster, namespace: str, name: str) -> None:
    """Given a Fault with the name of the run's kill or of a Fault in the file, then the run reports it, and
    applies nothing.
    """
    fault = {
        "apiVersion": "spiko.dev/v1alpha1",
        "kind": "Fault",
        "metadata": {"name": name},
        "spec": {"architecture": "small", "kill": {"tier": "web"}},
    }
    cluster.apply(fault, namespace)
    own = f"---\n{yaml.safe_dump(fault)}" if name == "mine" else ""
    done = cluster.spiko("run", "-", "-d", "1", "-n", namespace, stdin=small(victim="web") + own, check=False)

    assert 1 == done.returncode
    assert f'spiko: fault "{name}" already exists in namespace "{namespace}"' in done.stderr
    assert f"`kubectl delete fault {name} -n {namespace}`" in done.stderr
    assert [name] == [fault["metadata"]["name"] for fault in cluster.items("faults", namespace)]
    assert [] == cluster.items("arch", namespace)


@pytest.mark.parametrize(
    ("until", "signals", "words"),
    [
        pytest.param(
            "small applied",
            [signal.SIGINT],
            'spiko: interrupted before architecture "small" was ready; it was removed\n',
            id="before it is ready",
        ),
        pytest.param(
            "2 of 600 s",
            [signal.SIGINT, signal.SIGINT],
            "spiko: interrupted twice: no report; created resources were removed\n",
            id="twice",
        ),
        pytest.param(
            "2 of 600 s",
            [signal.SIGTERM] * 2 + [signal.SIGINT] * 3,
            "spiko: interrupted twice",
            id="five times",
            marks=pytest.mark.long,
        ),
    ],
)  # fmt: skip
def test_interrupted_run_prints_one_line_and_exits_with_130(
    cluster: Cluster, namespace: str, tmp_path: Path, until: str, signals: list[signal.Signals], words: str
) -> None:
    """Given a run, when it is interrupted at any time and any number of times, then all of its resources are
    removed, and there is no traceback.
    """
    file = str(tmp_path / "small.yaml")
    command = [sys.executable, "-m", "spiko_cli", "run", file, "-d", "600", "-n", namespace]
    # No node has this zone, so the architecture never becomes Ready.
    text = (
        small(topology={"regions": [{"name": "r", "zones": ["nowhere"]}]}) if "applied" in until else small()
    )
    (tmp_path / "small.yaml").write_text(text)
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command,
        env=cluster.environ,
        stdout=pipe,
        stderr=pipe,
        text=True,
        preexec_fn=default_interrupts,  # noqa: PLW1509  # no other thread runs here
    ) as process:
        assert process.stdout is not None
        while until not in (line := process.stdout.readline()):
            assert line
        for number in signals:
            process.send_signal(number)
            time.sleep(0.05)
        _, errors = process.communicate(timeout=60)

    assert 130 == process.returncode, errors
    assert errors.startswith(words)
    assert 1 == errors.count("\n")
    cluster.until("small is gone", lambda: not cluster.items("arch", namespace))


@pytest.mark.long
def test_interrupted_run_reports_and_cleans_up(cluster: Cluster, namespace: str) -> None:
    """Given a long run, when it is interrupted, then it reports the time until then, exits with 130, and
    removes the architecture.
    """
    command = [sys.executable, "-m", "spiko_cli", "run", "-", "-d", "600", "-n", namespace]
    with subprocess.Popen(
        command,
        env=cluster.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=default_interrupts,  # noqa: PLW1509  # no other thread runs here
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(small(victim="web"))
        process.stdin.close()
        lines: list[str] = []
        while "2 of 600 s" not in "".join(lines[-1:]):
            line = process.stdout.readline()
            assert line, f"{''.join(lines)}{process.stderr.read() if process.stderr else ''}"
            lines.append(line)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        code = process.wait(60)

    assert 130 == code, rest
    assert time.monotonic() - began < 30
    assert "interrupted after" in rest
    assert "interrupted before half time: no fault was injected" in rest
    assert [] == cluster.items("arch", namespace)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(
            small(victim="wbe"), ["SPK021", 'did you mean "web"', "has errors"], id="an invalid file"
        ),
        pytest.param("a: 1", ["SPK002"], id="a file without an Architecture"),
        pytest.param(
            small(topology={"regions": [{"name": "r", "zones": ["nowhere"]}]}),
            ["is not ready after 4 s"],
            id="zones without nodes",
            marks=pytest.mark.long,
        ),
    ],
)
def test_run_that_fails_reports_why(cluster: Cluster, namespace: str, text: str, words: list[str]) -> None:
    """Given a file that cannot run, then the exit code is 1, the message has the reason, and no resource is
    left.
    """
    done = cluster.spiko("run", "-", "-n", namespace, "--timeout", "4", stdin=text, check=False)

    assert 1 == done.returncode
    assert all(word in done.stderr for word in words), done.stderr
    assert [] == cluster.items("arch", namespace)
