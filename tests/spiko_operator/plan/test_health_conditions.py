"""The conditions Serving and Exporting in the status of an Architecture."""

from __future__ import annotations

from spiko_operator.plan.actions import SetStatus
from spiko_operator.plan.health import Verdict, Verdicts
from tests.support.fake_api_server import FakeCluster
from tests.support.settled_shop import Object, running, shop, templates

COLLECTOR = "http://otel:4318"
EXPORTS, EXPORT_FAILS = (
    Verdict(True, subject=COLLECTOR),
    Verdict(False, "3 of 9 pods: refused", COLLECTOR),
)
ANSWERED, FAIL = Verdict(True), Verdict(False, "web 1.0.0 -> db 1.0.0 (injected)")


def traced(endpoint: str | None = COLLECTOR) -> Object:
    """Return an Architecture that exports spans."""
    body = shop()
    if endpoint is not None:
        body["spec"]["telemetry"] = {"otlpEndpoint": endpoint}
    return body


def seen(cluster: FakeCluster, kind: str) -> tuple[str, str, str]:
    """Return status, reason and message of a condition after one pass."""
    cluster.reconcile("shop")
    found = cluster.condition("shop", kind)
    return found.get("status", ""), found.get("reason", ""), found.get("message", "")


def test_serving_names_the_worst_edge_and_comes_back() -> None:
    """Given a verdict that requests fail, then Serving is False with the worst edge and a warning event; True
    again after the next verdict, and nothing is written in between.
    """
    cluster = running()
    assert seen(cluster, "Serving") == ("", "", "")
    cluster.health = Verdicts(ANSWERED)
    assert seen(cluster, "Serving")[:2] == ("True", "RequestsAnswered")
    assert cluster.events == []

    cluster.health = Verdicts(FAIL)
    assert seen(cluster, "Serving") == (
        "False",
        "RequestsFail",
        "more than 5 % of the requests of the sources fail; worst edge: web 1.0.0 -> db 1.0.0 (injected)",
    )
    assert not [a for a in cluster.reconcile("shop") if isinstance(a, SetStatus)]
    cluster.health = Verdicts(ANSWERED)
    assert seen(cluster, "Serving")[0] == "True"
    assert [(e.type, e.reason) for e in cluster.events] == [
        ("Warning", "RequestsFail"),
        ("Normal", "Serving"),
    ]


def test_exporting_names_endpoint_pods_and_error() -> None:
    """Given pods that cannot export, then Exporting is False with endpoint, number of pods and error; with
    pods that can, it is True.
    """
    cluster = running(traced())
    assert seen(cluster, "Exporting") == ("", "", "")
    cluster.health = Verdicts(exporting=EXPORT_FAILS)
    assert seen(cluster, "Exporting") == (
        "False",
        "ExportFails",
        "http://otel:4318 does not take the spans of 3 of 9 pods: refused",
    )
    cluster.health = Verdicts(exporting=EXPORTS)
    assert seen(cluster, "Exporting")[:2] == ("True", "SpansExported")


def test_a_restarted_operator_keeps_the_conditions_until_it_has_evidence() -> None:
    """Given conditions in the status and an operator without verdicts, then nothing is written."""
    cluster = running(traced())
    cluster.health = Verdicts(FAIL, EXPORT_FAILS)
    cluster.reconcile("shop")
    cluster.health = Verdicts()

    assert not [a for a in cluster.reconcile("shop") if isinstance(a, SetStatus)]
    assert cluster.condition("shop", "Serving")["status"] == "False"
    assert cluster.condition("shop", "Exporting")["status"] == "False"


def test_exporting_goes_with_its_endpoint() -> None:
    """Given a condition about one endpoint, when the spec names another one or none, then the condition is
    removed until there is evidence, also while the old verdict is there; Serving stays.
    """
    for endpoint in ("http://other:4318", "http://otel:43180", None):
        cluster = running(traced())
        cluster.health = Verdicts(ANSWERED, EXPORT_FAILS)
        assert seen(cluster, "Exporting")[0] == "False"
        cluster.put(traced(endpoint))

        assert seen(cluster, "Exporting") == ("", "", "")
        assert seen(cluster, "Serving")[0] == "True"


def test_the_default_collector_is_used_without_an_endpoint_of_the_spec() -> None:
    """Given a default collector, then the configuration and Exporting of an Architecture without an endpoint
    name it; an endpoint of the spec wins. A change restarts no pod.
    """
    cluster = running()
    before = templates(cluster)
    assert endpoint(cluster) == ""
    cluster.collector = COLLECTOR
    cluster.settle("shop")
    assert (COLLECTOR, before) == (endpoint(cluster), templates(cluster))
    cluster.health = Verdicts(exporting=EXPORT_FAILS)
    assert seen(cluster, "Exporting")[:2] == ("False", "ExportFails")

    cluster.put(traced("http://other:4318"))
    assert seen(cluster, "Exporting") == ("", "", "")
    assert endpoint(cluster) == "http://other:4318"


def endpoint(cluster: FakeCluster) -> str:
    """Return the endpoint in the configuration of the last pass, after one pass."""
    cluster.reconcile("shop")
    assert cluster.last_plan is not None
    assert cluster.last_plan.configuration is not None
    return cluster.last_plan.configuration.otlp_endpoint
