"""What the chart renders: valid objects, the operator's settings, and the files that it carries."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from spiko_operator.api.schema import architecture_crd, fault_crd
from spiko_operator.plan.network_policies import PolicySettings
from spiko_operator.settings import read_settings
from tests.support.helm import (
    CHART,
    CLUSTER,
    EVERYTHING,
    NAMESPACE,
    NAMESPACED,
    environment,
    only,
    render,
    run_helm,
)
from tests.support.pod_security import violations

pytestmark = pytest.mark.helm
MINORS = ("1.33", "1.34", "1.35", "1.36", "1.37")
ALL = {"defaults": {}, "namespaces": EVERYTHING | NAMESPACED, "cluster": EVERYTHING | CLUSTER}
KEEP = {"annotations": {"helm.sh/resource-policy": "keep"}}
LARGEST_SECRET = 1 << 20  # bytes: Helm keeps each release in one


@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize("values", ALL.values(), ids=list(ALL))
def test_every_object_is_valid(values: dict[str, Any], minor: str) -> None:
    """Given default and extreme values, then every object has only fields of a minor of Kubernetes, with
    their types.
    """
    objects = [body for body in render(values) if "monitoring.coreos.com" not in body["apiVersion"]]

    assert len(objects) > 10
    for body in objects:
        kubernetes_validate.validate(body, minor, strict=True)


@pytest.mark.parametrize("values", ALL.values(), ids=list(ALL))
def test_no_two_objects_have_the_same_name(values: dict[str, Any]) -> None:
    """Given any values, then kind, namespace and name are unique, and labels name the release."""
    objects = render(values)
    names = [(body["kind"], body["metadata"].get("namespace"), body["metadata"]["name"]) for body in objects]

    assert sorted(set(names), key=str) == sorted(names, key=str)
    assert {"spiko"} == {
        body["metadata"]["labels"]["app.kubernetes.io/instance"]
        for body in objects
        if body["kind"] != "CustomResourceDefinition"
    }


def test_custom_resource_definitions_are_those_of_the_models_and_are_kept() -> None:
    """Given the chart, then it renders the definitions unchanged, each with the annotation that keeps it."""
    found = [body for body in render() if body["kind"] == "CustomResourceDefinition"]

    assert [
        body | {"metadata": KEEP | body["metadata"]} for body in (architecture_crd(), fault_crd())
    ] == found
    assert not [body for body in render({"crds": {"install": False}}) if "Custom" in body["kind"]]


def test_braces_and_large_numbers_of_a_definition_are_not_changed(tmp_path: Path) -> None:
    """Given a definition with braces and an integer of 53 bits, then both arrive as they are."""
    chart = shutil.copytree(CHART, tmp_path / "spiko")
    body = architecture_crd()
    properties = body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    properties["spec"]["description"] = "{{ .Values.scope }}"
    properties["spec"]["properties"]["scale"]["maximum"] = 2**53 - 1
    (chart / "files/crds/spiko.dev_architectures.yaml").write_text("# -\n" + yaml.safe_dump(body))

    found = only(render(chart=chart), "CustomResourceDefinition", "architectures.spiko.dev")

    assert body["spec"] == found["spec"]
    assert found["metadata"]["annotations"] == KEEP["annotations"]


def test_a_release_is_far_smaller_than_the_largest_secret() -> None:
    """Given the chart's files and what it renders, then a release has less than a quarter of a Secret's
    size, as Helm stores it: JSON, gzip, twice base64.
    """
    files = {str(path): path.read_text() for path in CHART.rglob("*") if path.is_file()}
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in files.items()}
    release = json.dumps([encoded, yaml.safe_dump_all(render(EVERYTHING | CLUSTER))])

    assert len(gzip.compress(release.encode())) * (4 / 3) ** 2 < LARGEST_SECRET / 4


@pytest.mark.parametrize("values", ALL.values(), ids=list(ALL))
def test_the_operator_satisfies_the_restricted_standard(values: dict[str, Any]) -> None:
    """Given any values, then the operator's pod violates no control of `restricted`, writes no file of its
    image, and leaves the user ID to OpenShift only.
    """
    pod = only(render(values), "Deployment")["spec"]["template"]["spec"]

    assert [] == list(violations(pod))
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"]
    assert pod["securityContext"].get("runAsUser") == (None if values else 65532)


def test_the_operator_reads_the_default_settings() -> None:
    """Given default values, then the operator gets its defaults, in the release's namespace."""
    settings = read_settings(environment(render()))
    plain = read_settings({})

    chosen = {"namespaces", "http_listen"}  # for pods in a cluster
    assert {name: value for name, value in vars(plain).items() if name not in chosen} == {
        name: value for name, value in vars(settings).items() if name not in chosen
    }
    assert settings.namespaces == (NAMESPACE,)


def test_the_operator_reads_the_settings_of_the_values() -> None:
    """Given values for everything, then the operator gets them; lists are separated by commas."""
    settings = read_settings(environment(render(EVERYTHING | NAMESPACED)))

    assert settings.namespaces == ("team-a", "team-b")
    assert settings.image == "registry.example:5000/spiko/nanoservice:1.2.3"
    assert (settings.resync_s, settings.key_epoch) == (3600, 1_000_000)
    assert settings.limits.all_pods == 1_000_000
    assert settings.limits.images == ("registry.example/*", "spiko/*")
    assert settings.default_collector == "http://collector.observability:4318"
    assert settings.allow_delete
    assert settings.policies == PolicySettings("default", ("10.0.0.0/24", "fd00::/64"), "monitoring")
    assert read_settings(environment(render(CLUSTER))).namespaces == ()


def test_the_service_and_network_policies_find_the_operator() -> None:
    """Given the operator's pods, then the Service selects them, and so does the label in NetworkPolicies; no
    additional label can change that.
    """
    objects = render({"podLabels": {"app.kubernetes.io/name": "other", "team": "a"}})
    labels = only(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]

    assert only(objects, "Service")["spec"]["selector"].items() <= labels.items()
    assert only(objects, "Deployment")["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert (labels["app.kubernetes.io/name"], labels["team"]) == ("spiko-operator", "a")


def test_switches_arrive_as_words() -> None:
    """Given values for everything, then each switch of the operator is `true` or `false`."""
    found = environment(render(EVERYTHING | CLUSTER))

    assert found["SPIKO_HTTP_LISTEN"] == "0.0.0.0:8081"
    assert {
        "SPIKO_LEADER_ELECTION": "true",
        "SPIKO_ALLOW_DELETE": "true",
        "SPIKO_DISRUPTION_BUDGETS": "true",
        "SPIKO_NETWORK_POLICIES": "true",
        "SPIKO_API_SERVER_BLOCKS": "10.0.0.0/24,fd00::/64",
        "SPIKO_PROMETHEUS_NAMESPACE": "monitoring",
        "SPIKO_DEFAULT_COLLECTOR": "http://collector.observability:4318",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.observability:4318",
    }.items() <= found.items()
    assert environment(render())["SPIKO_ALLOW_DELETE"] == "false"


def test_an_update_never_runs_two_operators_without_a_lease() -> None:
    """Given no leader election, then an update stops the old operator first; else it starts the new one
    first.
    """
    without = only(render({"leaderElection": {"enabled": False}}), "Deployment")["spec"]

    assert without["strategy"] == {"type": "Recreate"}
    assert only(render(), "Deployment")["spec"]["strategy"]["type"] == "RollingUpdate"


def test_images_are_named_by_digest_tag_or_version() -> None:
    """Given a digest, then it names the image; else the tag does, else the chart's appVersion."""

    def image(**values: str) -> str:
        pod = only(render({"image": values}), "Deployment")["spec"]["template"]["spec"]
        return str(pod["containers"][0]["image"])

    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    digest = "sha256:" + "b" * 64

    assert image() == f"spiko/operator:{version}"
    assert image(tag="next") == "spiko/operator:next"
    assert image(tag="next", digest=digest) == f"spiko/operator@{digest}"


def test_the_operator_is_replaced_soon_after_its_node_is_lost() -> None:
    """Given default values, then the operator tolerates a lost node for at most 10 s, and is not placed by
    affinity.
    """
    pod = only(render(), "Deployment")["spec"]["template"]["spec"]

    assert {10} == {each["tolerationSeconds"] for each in pod["tolerations"]}
    assert "affinity" not in pod


@pytest.mark.parametrize(
    ("value", "name"), [("prometheusRule", "files/alerts.yaml"), ("dashboard", "files/dashboard.json")]
)
def test_a_missing_file_is_named(tmp_path: Path, value: str, name: str) -> None:
    """Given a chart without alerts or dashboard, when they are wanted, then the error names file and
    value.
    """
    chart = shutil.copytree(CHART, tmp_path / "spiko")
    (chart / name).unlink(missing_ok=True)

    done = run_helm("template", "spiko", str(chart), values={"metrics": {value: {"enabled": True}}})

    assert done.returncode != 0
    assert f"{name}: the chart does not have this file; disable metrics.{value}.enabled" in done.stderr


def test_alerts_and_dashboard_arrive_unchanged(tmp_path: Path) -> None:
    """Given alerts with braces and a dashboard, then a PrometheusRule and a ConfigMap have them unchanged."""
    chart = shutil.copytree(CHART, tmp_path / "spiko")
    alerts = {"groups": [{"name": "a", "rules": [{"alert": "B", "annotations": {"c": "{{ $value }}"}}]}]}
    (chart / "files/alerts.yaml").write_text("# Alerts.\n" + yaml.safe_dump(alerts))
    (chart / "files/dashboard.json").write_text('{"title": "{{ x }}"}\n')
    values = {"metrics": {"prometheusRule": {"enabled": True}, "dashboard": {"enabled": True}}}

    objects = render(values, chart)
    dashboard = only(objects, "ConfigMap")

    assert alerts == only(objects, "PrometheusRule")["spec"]
    assert {"title": "{{ x }}"} == json.loads(dashboard["data"]["spiko.json"])
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"


@pytest.mark.parametrize(("scope", "place"), [(NAMESPACED, "team-a, team-b"), (CLUSTER, "all namespaces")])
def test_notes_show_the_next_three_commands(scope: dict[str, Any], place: str) -> None:
    """Given an installation, then the notes name its namespaces and three commands."""
    done = run_helm("install", "spiko", str(CHART), "--dry-run=client", values=scope)
    notes = done.stdout.partition("NOTES:")[2]

    assert place in notes
    assert 3 == sum(line.startswith("  kubectl ") for line in notes.splitlines()), done.stderr
