"""Which kubeconfig the command line uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from spiko_cli.errors import ClusterError
from spiko_cli.kubeconfig import find_kubeconfig


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
