"""A Prometheus for tests, with the alert rules of the chart."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

from devserver_support.servers import free_port
from tests.support.control_plane.build import binaries
from tests.support.paths import ROOT

RULES = ROOT / "charts" / "spiko" / "files" / "alerts.yaml"


@contextmanager
def prometheus(jobs: Mapping[str, Sequence[str]], folder: Path) -> Iterator[str]:
    """Run a Prometheus that scrapes every second; yield the URL of its API.

    Args:
        jobs: host and port of the targets of each job; all get the label `namespace="s"`.
        folder: for its configuration, log and data.
    """
    scrapes = [
        {"job_name": job, "static_configs": [{"targets": list(targets), "labels": {"namespace": "s"}}]}
        for job, targets in jobs.items()
    ]
    every = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    document = {"global": every, "rule_files": [str(RULES)], "scrape_configs": scrapes}
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
    """Return the data of an answer of Prometheus; None before it listens, or while it starts."""
    try:
        with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
            raise
        return None
    except urllib.error.URLError:
        return None


def rules(url: str) -> list[dict[str, Any]]:
    """Return the rules with their state."""
    return [rule for group in ask(f"{url}/rules")["groups"] for rule in group["rules"]]
