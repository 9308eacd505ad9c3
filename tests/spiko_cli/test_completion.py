"""Completion in shells and in kubectl."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from spiko_cli.commands.completion import SHELLS, command
from spiko_cli.completion import candidates

BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["l"], {"lint"}, id="a command"),
        pytest.param([""], {"up", "down", "run", "node"}, id="all commands"),
        pytest.param(["node", ""], {"stop", "start"}, id="a command of a group"),
        pytest.param(["top", "--o"], {"--once"}, id="an option"),
        pytest.param(["top", "--reach", "p"], {"proxy"}, id="a choice"),
        pytest.param(["nonsense", ""], set(), id="an unknown command"),
    ],
)
def test_the_last_word_is_completed_in_its_context(words: list[str], expected: set[str]) -> None:
    """Given words before it, then commands, options and choices are offered for the last one."""
    assert expected <= {item.value for item in candidates(words)[0]}


def test_kubectl_gets_candidates_and_a_directive() -> None:
    """Given kubectl's request, then it gets one candidate per line with help, and a directive."""
    lines = subprocess.run(
        [BIN / "kubectl_complete-spiko", "gr"], capture_output=True, text=True, check=True
    ).stdout
    files = subprocess.run(
        [BIN / "kubectl_complete-spiko", "run", ""], capture_output=True, text=True, check=True
    ).stdout

    assert ["graph\tNodes and edges.", ":4"] == lines.splitlines()
    assert ":0" == files.splitlines()[-1]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_has_a_script(shell: str) -> None:
    """Given a shell, then its script calls spiko with click's variable."""
    result = CliRunner().invoke(command, [shell])

    assert 0 == result.exit_code
    assert "_SPIKO_COMPLETE" in result.output
