"""`spiko run` on a cluster that options or KUBECONFIG name: what it checks, applies and removes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from spiko_cli.program import group
from tests.support.kube_api import GROUP, REVIEWS, KubeApi, forbidden, kube_api, status
from tests.support.paths import EXAMPLES

LAMP = str(EXAMPLES / "lamp.yaml")
ARCHITECTURE = f"{GROUP}/namespaces/demo/architectures/lamp"
LEASES = "/apis/coordination.k8s.io/v1/leases"
FAULT = f"{GROUP}/namespaces/demo/faults/lamp-half-time"


@pytest.fixture
def far(tmp_path: Path) -> Iterator[tuple[KubeApi, Path]]:
    """An API server that is not a local cluster's, and its kubeconfig."""
    with kube_api(tmp_path) as (api, kubeconfig):
        api.answers["GET /api/v1/namespaces/demo"] = (200, {})
        yield api, kubeconfig


def run(kubeconfig: Path, *arguments: str, environ: dict[str, str] | None = None) -> Result:
    """Run lamp for at most a second; a local cluster cannot be started in this home."""
    home = kubeconfig.parent / "home"
    home.write_text("not a folder")
    chosen = {"SPIKO_HOME": str(home), "KUBECONFIG": ""} | (environ or {})
    return CliRunner().invoke(group, ["run", LAMP, "-d", "1", "--timeout", "1", *arguments], env=chosen)


@pytest.mark.parametrize("how", ["--kubeconfig", "--context", "KUBECONFIG"])
def test_a_named_cluster_is_used_and_none_is_started(far: tuple[KubeApi, Path], how: str) -> None:
    """Given an option or KUBECONFIG, then the first line has the cluster, and it gets the Architecture."""
    api, kubeconfig = far
    options = {"--kubeconfig": ["--kubeconfig", str(kubeconfig)], "--context": ["--context", "far"]}
    environ = {} if how == "--kubeconfig" else {"KUBECONFIG": str(kubeconfig)}
    done = run(kubeconfig, *options.get(how, []), environ=environ)
    first, second = done.output.splitlines()[:2]

    assert first.startswith('using context "far" (http://127.0.0.1:')
    assert first.endswith(', namespace "demo"')
    assert "lamp applied" == second
    assert f"PATCH {ARCHITECTURE}" in api.requests


def test_a_run_without_an_operator_says_so_and_cleans_up(far: tuple[KubeApi, Path]) -> None:
    """Given a cluster without an operator, then the error names it, and the Architecture is removed."""
    api, kubeconfig = far
    done = run(kubeconfig, "--kubeconfig", str(kubeconfig))

    assert str(done.exception) == (
        'no operator has reconciled architecture "lamp" within 1 s: install the Spiko operator, or check that'
        ' it is running and watches namespace "demo"'
    )
    assert f"DELETE {ARCHITECTURE}" in api.requests
    assert {} == api.stored


@pytest.mark.parametrize(
    ("holders", "warned"),
    [
        pytest.param([], True, id="no Lease"),
        pytest.param([""], True, id="released"),
        pytest.param(["", "operator-1"], False, id="held"),
        pytest.param(None, False, id="no right to list"),
    ],
)
def test_an_operator_that_is_not_there_is_reported_first(
    far: tuple[KubeApi, Path], holders: list[str] | None, warned: bool
) -> None:
    """Given no operator that holds its Lease, then a line says so before anything is applied."""
    api, kubeconfig = far
    leases = {"items": [{"spec": {"holderIdentity": holder}} for holder in holders or ()]}
    refusal = forbidden("list", "leases", "coordination.k8s.io")
    api.answers[f"GET {LEASES}"] = refusal if holders is None else (200, leases)
    lines = run(kubeconfig, "--kubeconfig", str(kubeconfig)).output.splitlines()

    assert warned == lines[1].startswith("no operator seems to run")
    assert "lamp applied" == lines[2 if warned else 1]


def test_nothing_is_applied_to_a_cluster_without_crds(far: tuple[KubeApi, Path]) -> None:
    """Given a cluster that knows Architectures only, then the error names the missing CRD."""
    api, kubeconfig = far
    api.answers[f"GET {GROUP}"] = (200, {"resources": [{"name": "architectures"}]})
    done = run(kubeconfig, "--kubeconfig", str(kubeconfig))

    lacking = "(faults.spiko.dev); install Spiko with Helm (docs/install.md), or run `kubectl apply"
    assert lacking in str(done.exception)
    assert not [request for request in api.requests if request.startswith("PATCH")]


def test_nothing_is_applied_to_a_missing_namespace(far: tuple[KubeApi, Path]) -> None:
    """Given a namespace that does not exist, then the error has the command that creates it."""
    api, kubeconfig = far
    done = run(kubeconfig, "--kubeconfig", str(kubeconfig), "-n", "other")

    assert "create it with `kubectl create namespace other`" in str(done.exception)
    assert not [request for request in api.requests if request.startswith("PATCH")]


@pytest.mark.parametrize(
    ("denied", "options", "words"),
    [
        ({"get pods/proxy"}, (), "you need the right to `get pods/proxy` in namespace"),
        (
            {"patch architectures", "get secrets", "get pods/proxy"},
            ("--reach", "direct"),
            "you need the rights to `patch architectures.spiko.dev`, `get secrets spiko-read` in namespace",
        ),
    ],
    ids=["one", "two"],
)
def test_missing_rights_are_reported_before_anything_is_applied(
    far: tuple[KubeApi, Path], denied: set[str], options: tuple[str, ...], words: str
) -> None:
    """Given a user without some rights, then one sentence has all of them, and nothing is applied."""
    api, kubeconfig = far
    api.denied = denied
    done = run(kubeconfig, "--kubeconfig", str(kubeconfig), *options)

    assert words in str(done.exception)
    assert not [request for request in api.requests if request.startswith("PATCH")]


def test_rights_that_cannot_be_asked_for_do_not_stop_a_run(far: tuple[KubeApi, Path]) -> None:
    """Given a cluster that refuses access reviews, then the run begins."""
    api, kubeconfig = far
    api.answers[f"POST {REVIEWS}"] = forbidden("create", "selfsubjectaccessreviews", "authorization.k8s.io")
    run(kubeconfig, "--kubeconfig", str(kubeconfig))

    assert f"PATCH {ARCHITECTURE}" in api.requests


@pytest.mark.parametrize("path", [ARCHITECTURE, FAULT], ids=["architecture", "fault"])
def test_objects_that_exist_stay(far: tuple[KubeApi, Path], path: str) -> None:
    """Given an object of the run's names, then the run is refused, and changes and deletes nothing."""
    api, kubeconfig = far
    api.answers[f"GET {path}"] = (200, {"metadata": {"uid": "theirs"}})
    done = run(kubeconfig, "--kubeconfig", str(kubeconfig))

    assert 'already exists in namespace "demo"' in str(done.exception)
    assert not [request for request in api.requests if request.startswith(("PATCH", "DELETE"))]


def test_an_architecture_that_cannot_be_removed_is_named(far: tuple[KubeApi, Path]) -> None:
    """Given an API server that refuses to delete, then the error has the command that removes the rest."""
    api, kubeconfig = far
    api.answers[f"DELETE {ARCHITECTURE}"] = status(403, 'admission webhook "policy" denied the request')
    done = run(kubeconfig, "--kubeconfig", str(kubeconfig))

    assert str(done.exception).endswith(
        'denied the request: architecture "lamp" may still exist; `kubectl delete arch lamp -n demo`'
    )


def test_an_endpoint_that_the_operator_rejects_is_explained(far: tuple[KubeApi, Path]) -> None:
    """Given an operator that allows other collectors only, then the error names --no-traces."""
    api, kubeconfig = far
    rejected = {"type": "Accepted", "status": "False", "message": "spec.telemetry.otlpEndpoint: no"}
    api.status = {"conditions": [rejected]}
    done = run(kubeconfig, "--kubeconfig", str(kubeconfig))

    assert "is not accepted: spec.telemetry.otlpEndpoint: no; --no-traces" in str(done.exception)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--nodes", "kind.yaml"), "--nodes: only a local cluster that is started has these nodes"),
        (("--otlp-listen", "0.0.0.0"), "--otlp-listen: '0.0.0.0': must be an IP address of this machine"),
        (("--otlp-listen", "host:4318"), "'host:4318': must be an IP address of this machine"),
        (("--otlp-listen", "127.0.0.1:70000"), "'127.0.0.1:70000': must be an IP address of this machine"),
        (("--otlp-listen", "127.0.0.1", "--no-traces"), "--no-traces: no traces are received"),
        (("--otlp-listen", "192.0.2.1"), "--otlp-listen: 192.0.2.1: "),
    ],
    ids=["nodes", "any address", "a name", "a port", "both", "an address of another machine"],
)
def test_wrong_options_are_reported(far: tuple[KubeApi, Path], options: tuple[str, ...], words: str) -> None:
    """Given options that cannot be met, then the error names the option, and nothing is applied."""
    api, kubeconfig = far
    done = run(kubeconfig, "--kubeconfig", str(kubeconfig), *options)

    assert words in str(done.exception)
    assert not [request for request in api.requests if request.startswith("PATCH")]


def test_the_endpoint_is_the_address_that_is_listened_on(far: tuple[KubeApi, Path]) -> None:
    """Given --otlp-listen, then pods export there; given --no-traces, then nowhere."""
    api, kubeconfig = far
    endpoints = []
    for options in (("--otlp-listen", "127.0.0.2"), ("--no-traces",)):
        api.answers[f"DELETE {ARCHITECTURE}"] = status(409, "not deleted, so that the test can read it")
        run(kubeconfig, "--kubeconfig", str(kubeconfig), *options)
        endpoints.append(api.stored.pop(ARCHITECTURE)["spec"].get("telemetry", {}).get("otlpEndpoint", ""))

    assert endpoints[0].startswith("http://127.0.0.2:")
    assert "" == endpoints[1]
