"""Completion, in shells and in kubectl."""

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
        pytest.param(["nonsense", ""], set(), id="nothing"),
    ],
)
def test_words_are_completed(words: list[str], expected: set[str]) -> None:
    """The last word, in the light of those before it."""
    assert expected <= {item.value for item in candidates(words)[0]}


def test_kubectl_is_answered_in_its_own_form() -> None:
    """A candidate a line, with its help after a tab, and a directive at the end: no files, or files."""
    lines = subprocess.run([BIN / "kubectl_complete-spiko", "gr"], capture_output=True, text=True, check=True).stdout
    files = subprocess.run(
        [BIN / "kubectl_complete-spiko", "run", ""], capture_output=True, text=True, check=True
    ).stdout

    assert ["graph\tNodes and edges.", ":4"] == lines.splitlines()
    assert ":0" == files.splitlines()[-1]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_gets_its_script(shell: str) -> None:
    """Which asks us by the variable that click knows."""
    result = CliRunner().invoke(command, [shell])

    assert 0 == result.exit_code
    assert "_SPIKO_COMPLETE" in result.output
