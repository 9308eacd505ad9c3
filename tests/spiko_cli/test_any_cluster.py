"""Commands on a cluster that is not the local one: what they say if something is missing there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from spiko_cli.completion import candidates
from spiko_cli.program import group
from tests.support.kube_api import GROUP, KubeApi, forbidden, kube_api, status, write_kubeconfig

ARCHITECTURES = f"{GROUP}/namespaces/demo/architectures"
PODS = "/api/v1/namespaces/demo/pods"


@pytest.fixture
def far(tmp_path: Path) -> Iterator[tuple[KubeApi, Path]]:
    """An API server that is not a local cluster's, and its kubeconfig."""
    with kube_api(tmp_path) as made:
        yield made


def spiko(kubeconfig: Path, *arguments: str) -> Result:
    """Run the command line in this process, with KUBECONFIG."""
    environ = {"KUBECONFIG": str(kubeconfig), "SPIKO_HOME": str(kubeconfig.parent / "home")}
    return CliRunner().invoke(group, arguments, env=environ)


MISSING = status(404, 'architectures.spiko.dev "lamp" not found')
UNEXPLAINED = status(403, 'admission webhook "policy" denied the request')
REFUSALS: list[tuple[str, dict[str, tuple[int, Any]], str]] = [
    (
        "expired credentials",
        {f"GET {ARCHITECTURES}/lamp": status(401, "Unauthorized")},
        "rejects the credentials (401), which are wrong or have expired; renew them as for kubectl",
    ),
    (
        "no right on architectures",
        {f"GET {ARCHITECTURES}/lamp": forbidden("get", "architectures", "spiko.dev")},
        'you need the right to `get architectures.spiko.dev` in namespace "demo" (you are "jane")',
    ),
    (
        "no credentials",
        {
            f"GET {ARCHITECTURES}/lamp": forbidden(
                "get", "architectures", "spiko.dev", user="system:anonymous"
            )
        },
        'got no credentials (you are "system:anonymous"); add a user with credentials to this context',
    ),
    (
        "another refusal",
        {f"GET {ARCHITECTURES}/lamp": UNEXPLAINED},
        f"GET {ARCHITECTURES}/lamp: 403: {UNEXPLAINED[1]['message']}",
    ),
    (
        "no right on pods",
        {f"GET {ARCHITECTURES}/lamp": (200, {}), f"GET {PODS}": forbidden("list", "pods")},
        'you need the right to `list pods` in namespace "demo" (you are "jane")',
    ),
    (
        "no CRDs",
        {f"GET {GROUP}": status(404, "the server could not find the requested resource")},
        "the Spiko CRDs are not installed on http://127.0.0.1:",
    ),
    ("no namespace", {f"GET {ARCHITECTURES}/lamp": MISSING}, 'namespace "demo" does not exist'),
    (
        "no architecture, and no right to list",
        {
            f"GET {ARCHITECTURES}/lamp": MISSING,
            "GET /api/v1/namespaces/demo": forbidden("get", "namespaces"),
            f"GET {ARCHITECTURES}": forbidden("list", "architectures", "spiko.dev"),
        },
        'architecture "lamp" not found in namespace "demo"',
    ),
]


@pytest.mark.parametrize(
    ("answers", "words"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS]
)
def test_refusals_name_what_is_missing(
    far: tuple[KubeApi, Path], answers: dict[str, tuple[int, Any]], words: str
) -> None:
    """Given a cluster that refuses a request, then one sentence has what is missing, or the right."""
    api, kubeconfig = far
    api.answers |= answers
    done = spiko(kubeconfig, "top", "lamp", "--once")

    assert words in str(done.exception)
    assert "\n" not in str(done.exception)


def test_the_namespace_is_that_of_the_context(far: tuple[KubeApi, Path]) -> None:
    """Given a context with a namespace, then it is the default, and -n wins."""
    api, kubeconfig = far
    spiko(kubeconfig, "graph", "lamp")
    spiko(kubeconfig, "graph", "lamp", "-n", "other")
    read = [request for request in api.requests if request.endswith("/lamp")]

    assert [f"GET {ARCHITECTURES}/lamp", f"GET {GROUP}/namespaces/other/architectures/lamp"] == read


@pytest.mark.parametrize("chosen", [[], ["--context", "far", "-n", "demo"]], ids=["current", "named"])
def test_completion_asks_the_cluster_of_the_options(far: tuple[KubeApi, Path], chosen: list[str]) -> None:
    """Given options of a cluster before the word, then its architectures are candidates."""
    api, kubeconfig = far
    api.answers[f"GET {ARCHITECTURES}"] = (200, {"metadata": {}, "items": [{"metadata": {"name": "lamp"}}]})
    found, _ = candidates(["top", "--kubeconfig", str(kubeconfig), *chosen, ""])

    assert ["lamp"] == [item.value for item in found]


def test_a_server_without_an_answer_is_named(tmp_path: Path) -> None:
    """Given a server that is down, then the message has context, URL and remedy, not the local cluster's."""
    text = str(spiko(write_kubeconfig(tmp_path / "far.yaml", {"far": ""}), "top", "lamp").exception)

    assert text.startswith('context "far": GET /apis/spiko.dev/')
    assert "check that http://127.0.0.1:1 can be reached from here" in text
    assert "spiko status" not in text


def test_a_command_that_returns_no_credentials_is_reported(tmp_path: Path) -> None:
    """Given a user whose command fails, as with an expired login, then the message has what it printed."""
    command = {"command": "sh", "args": ["-c", "echo please log in >&2; exit 3"], "interactiveMode": "Never"}
    user = {"exec": command | {"apiVersion": "client.authentication.k8s.io/v1"}}
    kubeconfig = write_kubeconfig(tmp_path / "far.yaml", {"far": ""}, user=user)
    text = str(spiko(kubeconfig, "top", "lamp").exception)

    assert text.startswith(f"no credentials for a cluster in {kubeconfig}: exec: process returned 3")
    assert "please log in" in text


@pytest.mark.parametrize(
    ("contexts", "arguments", "words"),
    [
        pytest.param({}, (), "no current context", id="no current context"),
        pytest.param(
            {"a": "", "b": ""},
            ("--context", "c"),
            "no context 'c' in {}; existing contexts: a, b",
            id="missing",
        ),
    ],
)
def test_a_missing_context_is_reported_with_those_that_exist(
    tmp_path: Path, contexts: dict[str, str], arguments: tuple[str, ...], words: str
) -> None:
    """Given a context that does not exist, or no current one, then the message lists the existing ones."""
    kubeconfig = write_kubeconfig(tmp_path / "far.yaml", contexts)

    assert words.format(kubeconfig) in str(spiko(kubeconfig, "top", "lamp", *arguments).exception)


@pytest.mark.parametrize(
    "words",
    [("status",), ("up",), ("down",), ("node", "stop", "a"), ("node", "start", "a")],
    ids=" ".join,
)
@pytest.mark.parametrize("option", ["--context", "--kubeconfig", "-n"])
def test_local_commands_reject_other_clusters(tmp_path: Path, words: tuple[str, ...], option: str) -> None:
    """Given a command for the local cluster, then options that select another are an error of usage."""
    done = spiko(tmp_path / "far.yaml", *words, option, "far")

    assert 2 == done.exit_code
    assert f"{option}: `" in done.output
    assert "is for the local cluster only; use kubectl for others" in done.output
