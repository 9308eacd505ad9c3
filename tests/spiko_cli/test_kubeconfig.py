"""Which kubeconfig, context and namespace the command line uses."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from spiko_cli.errors import ClusterError
from spiko_cli.kubeconfig import Access, find_access, find_kubeconfig, is_cluster_named
from spiko_local.home import Home, start_time
from tests.support.kube_api import write_kubeconfig


def test_the_option_wins_over_the_variable(tmp_path: Path) -> None:
    """Given --kubeconfig and KUBECONFIG, then the option wins; one existing file of KUBECONFIG is enough."""
    for name in ("option", "variable"):
        (tmp_path / name).write_text("{}")
    environ = {
        "KUBECONFIG": f"{tmp_path / 'variable'}:{tmp_path / 'other'}",
        "SPIKO_HOME": str(tmp_path / "home"),
    }

    assert str(tmp_path / "option") == find_kubeconfig(environ, str(tmp_path / "option"))
    assert environ["KUBECONFIG"] == find_kubeconfig(environ, None)


@pytest.mark.parametrize(
    ("given", "variable", "words"),
    [
        pytest.param(
            None, "/nowhere/a:/nowhere/b", "KUBECONFIG: /nowhere/a, /nowhere/b: no such file", id="several"
        ),
        pytest.param(
            "/nowhere/a", "", "--kubeconfig: /nowhere/a: no such file; no local cluster is up", id="option"
        ),
        pytest.param(None, "/nowhere/b", "KUBECONFIG: /nowhere/b: no such file", id="variable"),
    ],
)
def test_a_missing_kubeconfig_is_reported(
    tmp_path: Path, given: str | None, variable: str, words: str
) -> None:
    """Given a file that does not exist, then the error names it: no other cluster is used instead."""
    with pytest.raises(ClusterError, match="spiko up") as caught:
        find_kubeconfig({"KUBECONFIG": variable, "SPIKO_HOME": str(tmp_path)}, given)

    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("context", "namespace", "expected"),
    [
        pytest.param(None, "", ("a", "space"), id="current context with a namespace"),
        pytest.param(None, "given", ("a", "given"), id="-n wins"),
        pytest.param("b", "", ("b", "default"), id="context without a namespace"),
    ],
)
def test_the_namespace_is_that_of_the_chosen_context(
    tmp_path: Path, context: str | None, namespace: str, expected: tuple[str, str]
) -> None:
    """Given a context, then its namespace is the default, else `default`; -n wins."""
    file = str(write_kubeconfig(tmp_path / "config", {"a": "space", "b": ""}))

    assert Access(file, *expected) == find_access(home_of(tmp_path), file, context, namespace)


def test_the_first_of_several_files_decides(tmp_path: Path) -> None:
    """Given KUBECONFIG with two files, then current context and equal names are those of the first one."""
    files = [write_kubeconfig(tmp_path / name, {name: name, "both": name}) for name in ("x", "y")]
    environ = home_of(tmp_path) | {"KUBECONFIG": ":".join(map(str, files))}
    found = [find_access(environ, None, context, "") for context in (None, "both", "y")]

    assert [("x", "x"), ("both", "x"), ("y", "y")] == [(each.context, each.namespace) for each in found]


def test_without_a_file_the_context_selects_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a running local cluster and the user's file, then the first one that has the context is used."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".kube").mkdir()
    user = write_kubeconfig(tmp_path / ".kube" / "config", {"far": ""})
    home = Home(tmp_path / "home")
    home.create()
    local = write_kubeconfig(home.kubeconfig, {"spiko": ""})
    state: dict[str, Any] = {"pid": os.getpid(), "started": start_time(os.getpid()), "parts": []}
    home.state.write_text(json.dumps(state))
    environ = home_of(tmp_path)

    assert Access(str(local), "spiko", "default", local=True) == find_access(environ, None, None, "")
    assert Access(str(user), "far", "default") == find_access(environ, None, "far", "")
    assert find_access({"SPIKO_HOME": "/elsewhere"}, str(local), None, "").local
    with pytest.raises(ClusterError, match=r"no context 'nope' in .*; existing contexts: spiko"):
        find_access(environ, None, "nope", "")


def test_a_pod_uses_its_service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a service account and no kubeconfig, then it and its namespace are used, without contexts."""
    monkeypatch.setenv("HOME", str(tmp_path))
    environ = home_of(tmp_path) | {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    for name, text in (("token", "t"), ("namespace", "mine\n")):
        (tmp_path / name).write_text(text)

    assert Access(None, "", "mine") == find_access(environ, None, None, "", tmp_path)
    with pytest.raises(ClusterError, match="--context far: no kubeconfig was found, only"):
        find_access(environ, None, "far", "", tmp_path)


@pytest.mark.parametrize("text", ["contexts: [a]", "contexts: [{}]", "contexts: 7"])
def test_a_file_that_is_no_kubeconfig_is_reported(tmp_path: Path, text: str) -> None:
    """Given contexts of another shape, then the error names the file."""
    (tmp_path / "config").write_text(text)

    with pytest.raises(ClusterError, match="config: not a kubeconfig; name another with"):
        find_access(home_of(tmp_path), str(tmp_path / "config"), None, "")


@pytest.mark.parametrize(
    ("kubeconfig", "context", "variable", "named"),
    [
        pytest.param(None, None, "", False, id="none"),
        pytest.param("file", None, "", True, id="--kubeconfig"),
        pytest.param(None, "far", "", True, id="--context"),
        pytest.param(None, None, "/elsewhere/config", True, id="KUBECONFIG"),
        pytest.param(None, None, "{home}/kubeconfig", False, id="KUBECONFIG of the local cluster"),
        pytest.param(None, "far", "{home}/kubeconfig", True, id="--context and the local cluster's"),
    ],
)
def test_the_local_clusters_own_file_names_no_other_cluster(
    tmp_path: Path, kubeconfig: str | None, context: str | None, variable: str, named: bool
) -> None:
    """Given `export KUBECONFIG` of the local cluster, as `spiko up` prints it, then `spiko run` may start it;
    other files, and options, name a cluster.
    """
    environ = home_of(tmp_path)
    environ["KUBECONFIG"] = variable.format(home=environ["SPIKO_HOME"])

    assert named == is_cluster_named(environ, kubeconfig, context)


def home_of(folder: Path) -> dict[str, str]:
    """Return an environment with a home of a local cluster that is not up."""
    return {"SPIKO_HOME": str(folder / "home")}
