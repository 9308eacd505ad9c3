"""How a command ends: an error for the user is one line, not a traceback; Ctrl-C is 130."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.signals import default_interrupts

COMMAND = [sys.executable, "-m", "spiko_cli"]


def spiko(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it without any cluster."""
    environ = {k: v for k, v in os.environ.items() if k != "KUBECONFIG"} | {
        "SPIKO_HOME": str(tmp_path / "home"),
        "HOME": str(tmp_path),
    }
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        input="",
        timeout=60,
    )


WRONG = [
    ("no cluster", ("top", "lamp"), 1, "`spiko up` starts one"),
    ("no cluster for graph", ("graph", "lamp"), 1, "`spiko up` starts one"),
    ("no cluster for status", ("status",), 3, "`spiko up` starts one"),
    ("no cluster for node", ("node", "stop", "a"), 1, "`spiko up` starts one"),
    ("a kubeconfig that is a string", ("top", "lamp", "--kubeconfig", "text"), 1, "another with --context"),
    ("a kubeconfig that is binary", ("top", "lamp", "--kubeconfig", "binary"), 1, "not valid YAML"),
    ("nodes that are binary", ("up", "--nodes", "binary"), 1, "name a kind configuration with --nodes"),
    ("binaries that do not exist", ("up", "--control-plane", "nowhere"), 1, "build them with"),
    ("a file that does not exist", ("run", "nowhere"), 1, "name a readable file"),
    ("a file that is empty", ("run", "empty"), 1, "no Architecture"),
    ("a file that is binary", ("graph", "-f", "binary"), 1, "binary:1:1: not UTF-8"),
    ("a folder without files", ("lint", "folder"), 2, "no .yaml, .yml or .json file"),
    ("neither file nor name", ("graph",), 1, "give either -f FILE"),
    ("an unknown command", ("lnt",), 2, "No such command"),
    ("an unknown option", ("lint", "--stict", "a"), 2, "No such option"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "message"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_errors_are_reported_with_a_remedy(
    tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    """Given an error of the user, then stderr has the remedy, and there is neither output nor traceback."""
    (tmp_path / "text").write_text("hello")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    done = spiko(tmp_path, *arguments)

    assert (code, "") == (done.returncode, done.stdout), done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_reported_in_one_line_with_130(number: signal.Signals) -> None:
    """Given a command that waits for its input, when a signal comes, then it reports that and exits."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*COMMAND, "lint", "-"],
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        text=True,
        preexec_fn=default_interrupts,  # noqa: PLW1509  # no other thread runs here
    ) as process:
        waiting = Path(f"/proc/{process.pid}/syscall")
        while not waiting.read_text().startswith("0 0x0 "):  # it reads standard input
            time.sleep(0.02)
        process.send_signal(number)
        out, errors = process.communicate(timeout=20)

    assert (130, "") == (process.returncode, out)
    assert "spiko: interrupted" == errors.strip()


def test_a_closed_pipe_ends_the_command_silently(tmp_path: Path) -> None:
    """Given `| head -1`, then stderr stays empty."""
    (tmp_path / "many.yaml").write_text("---\na: 1\n" * 5_000)
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*COMMAND, "lint", str(tmp_path / "many.yaml")], stdout=pipe, stderr=pipe, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()

    assert (1, "") == (process.returncode, errors)
