"""Figures in README and docs are those of the code.

Each row has a page, a sentence of it with the figure left out, and the figure. What the figures promise is
tested where the code is; those of `docs/performance.md` are measurements and name the command to repeat them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from spiko_cli.commands.graph import predict_files
from spiko_cli.commands.run import command as run
from spiko_console import store
from spiko_local import home
from spiko_local.kubelet import kubelet, probes
from spiko_local.nodes import read_nodes
from spiko_nanoservice import contract, roles
from spiko_nanoservice.contract import otlp_endpoint, otlp_headers
from spiko_nanoservice.eureka import liveness_check, server
from spiko_nanoservice.eureka.registry import entries, slots, views
from spiko_nanoservice.eureka.registry.health import WINDOW
from spiko_nanoservice.telemetry import collector_reply, export
from spiko_nanoservice.telemetry.totals import BOUNDS_US
from spiko_nanoservice.tier import pod, source, step_executor
from spiko_nanoservice.wire import collector_client, request, server_connection
from spiko_operator import http_server, progress, queueing, running, settings
from spiko_operator.api.fault import MOST_VICTIMS, FaultSpec
from spiko_operator.cluster import connection, events, execute
from spiko_operator.handlers import architecture, kill_executor
from spiko_operator.plan import health, ownership
from spiko_operator.plan.faults.monkey import MOST_RECENT
from spiko_operator.plan.reevaluation import REEVALUATE_S
from tests.support.paths import EXAMPLES, ROOT

WORDS = {1: "one", 2: "two", 3: "three", 5: "five", 8: "eight", 10: "ten"}


def example(name: str) -> dict[str, Any]:
    """Return the spec of an example."""
    spec: dict[str, Any] = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())["spec"]
    return spec


def word(number: float) -> str:
    """Return a small number as a word."""
    return WORDS[int(number)]


def run_option(name: str) -> Any:
    """Return the default of an option of `spiko run`."""
    return next(option.default for option in run.params if option.name == name)


KILL = FaultSpec.model_fields["starting_deadline_seconds"].default
README, START, CONCEPTS, CODE = (
    "README.md",
    "docs/getting-started.md",
    "docs/concepts.md",
    "docs/architecture.md",
)
RINGS, KOPF, FAST, TROUBLE = "docs/rings.md", "docs/kopf.md", "docs/performance.md", "docs/troubleshooting.md"
METRICS, CONDITIONS, COLLECTORS = "docs/metrics.md", "docs/conditions.md", "docs/collectors.md"
SECURITY = "docs/security.md"
ROWS: list[tuple[str, str, Any]] = [
    (README, "a Kubernetes API with {} nodes", word(len(read_nodes(None)))),
    (README, "sends {} requests a second", contract.DEFAULT_RATE_PER_SECOND),
    (README, "23 nanoservices for {} seconds", word(run_option("seconds"))),
    (README, "a web server every {} s on average", example("lamp-monkey")["chaos"]["monkey"]["meanSeconds"]),
    (START, "silent for {} seconds, and drops it a second later", word(server.PING_S)),
    (START, "drops it {} second later", {1: "a"}[int(server.SILENCE_S)]),
    (CONCEPTS, "{} ms at the source", f"{contract.DEFAULT_DEADLINE_MS:,}"),
    (CONCEPTS, "at least one; {} at most", MOST_VICTIMS),
    (CONCEPTS, "({} if left out) counts from", KILL),
    (CONCEPTS, "keeps the last {}", word(MOST_RECENT)),
    (CONCEPTS, "more than {} % of their requests fail", health.MOST_FAILED),
    (CONCEPTS, "when at most {} % do", health.FEW_FAILED),
    (CONCEPTS, "Serving looks at {} seconds", word(WINDOW)),
    (CONCEPTS, "A change must last for {} s", int(health.HOLD_S)),
    (CONCEPTS, "at the earliest {} s after the one before", int(health.LEAST_S)),
    (CONCEPTS, "at most {} KiB that are not body", request.MOST_HEADER_BYTES >> 10),
    (CONCEPTS, "not body and {} MiB of body", request.MOST_BODY_BYTES >> 20),
    (CONCEPTS, "429 and 503; {} s at most", int(collector_reply.LONGEST_RETRY_AFTER_S)),
    (CONCEPTS, "a back-off from {} to 30 s", int(export.FIRST_PAUSE_S)),
    (CONCEPTS, "a back-off from 1 to {} s", int(export.LONGEST_PAUSE_S)),
    (CONCEPTS, "at most {} spans", f"{export.MOST_QUEUED:,}"),
    (COLLECTORS, "`http://HOST[:{}]`", otlp_endpoint.HTTP_PORT),
    (COLLECTORS, "`https://HOST[:{}]`", otlp_endpoint.HTTPS_PORT),
    (COLLECTORS, "The files are in `{}`", contract.OTLP_SECRET_PATH),
    (COLLECTORS, "at most {} headers", otlp_headers.MOST_HEADERS),
    (COLLECTORS, "headers and {} KiB", otlp_headers.MOST_HEADERS_BYTES >> 10),
    (COLLECTORS, "at most {} of a pod wait", f"{export.MOST_QUEUED:,}"),
    (COLLECTORS, "bodies from {} KiB on", collector_client.GZIP_FROM_BYTES >> 10),
    (COLLECTORS, "took longer than {} s", int(collector_client.TIMEOUT_S)),
    (CONDITIONS, "when another Architecture changes, and every {} s", int(REEVALUATE_S)),
    (CONDITIONS, "after {} s, later after up to 60 s", queueing.FIRST_DELAY_S),
    (CONDITIONS, "left to garbage collection for {} s", ownership.GARBAGE_COLLECTION_S),
    (CODE, "if only one of the two happens, {} s after it", int(source.HOLD_BACK_S)),
    (CODE, "the process was still running after {} s", int(kill_executor.CRASH_S)),
    (CODE, "their entries stay for {} s", int(entries.PEER_GRACE_S)),
    (CODE, "drop within {} those", {1: "a second"}[int(liveness_check.ANSWER_S)]),
    (CODE, "sends partial tables for {} s", int(views.SETTLE_S)),
    (CODE, "grants no slots for {} s", int(slots.GRANT_WAIT_S)),
    (CODE, "at most {} keys", f"{roles.MOST_KEYS:,}"),
    (CODE, "keys and {} MiB", roles.MOST_BYTES >> 20),
    (CODE, "no span has arrived for {} seconds", word(store.SETTLE_S)),
    (CODE, "readiness after {}, 40, 80 ms", round(probes.FIRST_EARLY_S * 1000)),
    (CODE, "after {} s they are killed", int(kubelet.FROZEN_S)),
    (RINGS, "retried for at most {} s", round(sum(step_executor.PAUSES_S), 1)),
    (RINGS, "It waits {} s for that", int(pod.HANDOVER_S)),
    (KOPF, "with full lists every {} s", int(settings.read_settings({}).resync_s)),
    (KOPF, "a list or a write after {} s", int(connection.REQUEST_S)),
    (KOPF, "backs off from {} s", queueing.FIRST_DELAY_S),
    (KOPF, "from 0.5 s to {} s with jitter", int(queueing.LONGEST_DELAY_S)),
    (KOPF, "a plan over more than {} objects", architecture.MANY),
    (KOPF, "deduplicates keys; {} workers", word(running.WORKERS)),
    (KOPF, "a key rests for {} s after a pass", queueing.REST_S),
    (KOPF, "emits {} events of an object at once", events.BURST),
    (KOPF, "at once, then one in {} s", int(events.REFILL_S)),
    (FAST, "while {} requests wait, it is not", server_connection.MOST_PIPELINED),
    (FAST, "batches of {}", export.BATCH),
    (FAST, "or every {} s, from a task", export.EVERY_S),
    (TROUBLE, "Unix sockets are limited to {} characters", home.MAX_SOCKET_BYTES),
    (TROUBLE, "after {} restores of an object", execute.RESTORES),
    (TROUBLE, "restores it once in {} s", int(execute.RESTORE_REFILL_S)),
    (TROUBLE, "`is not ready after {} s`", int(run_option("timeout_s"))),
    (METRICS, "A request that is due for longer than {} s", int(source.LONGEST_LAG_S)),
    (METRICS, "{} buckets from 0.1 ms to 10 s", len(BOUNDS_US)),
    (METRICS, "older than {} times `SPIKO_RESYNC_SECONDS`", word(progress.MISSED_LISTS)),
    (METRICS, "is in a pass, for more than {} s", int(progress.LONGEST_WAIT_S)),
    (SECURITY, "It has at most {} connections", http_server.MOST_CONNECTIONS),
    (SECURITY, "without a complete request ends after {} s", int(http_server.IDLE_S)),
    (SECURITY, "at most {} headers of 4 KiB", http_server.MOST_HEADERS),
    (SECURITY, "at most 32 headers of {} KiB", http_server.MOST_FIELD_BYTES >> 10),
    (METRICS, "15 buckets from {}", f"{BOUNDS_US[0] / 1000:g} ms to {BOUNDS_US[-1] // 1_000_000} s"),
]  # fmt: skip


@pytest.mark.parametrize(("page", "sentence", "figure"), ROWS, ids=[f"{row[0]}: {row[1]}" for row in ROWS])
def test_a_figure_of_the_docs_is_that_of_the_code(page: str, sentence: str, figure: Any) -> None:
    """Given a figure that a page states, then the code has the same."""
    assert sentence.format(figure) in " ".join((ROOT / page).read_text().split())


COUNTED = [path for path in sorted(EXAMPLES.glob("*.yaml")) if "kind: Architecture" in path.read_text()]


@pytest.mark.parametrize("file", COUNTED, ids=[path.stem for path in COUNTED])
def test_an_example_states_its_predicted_graph(file: Path) -> None:
    """Given an example, then its comment has the numbers of instances and edges that are predicted."""
    (graph,) = predict_files((str(file),), None)
    comment = " ".join(re.findall(r"^# *(.*)", file.read_text(), re.MULTILINE))
    stated = re.findall(r"(\d+) instances, (\d+) edges", comment)

    assert stated in ([], [(str(len(graph.nodes)), str(len(graph.edges)))])
    assert stated or file.stem == "lamp-monkey"
