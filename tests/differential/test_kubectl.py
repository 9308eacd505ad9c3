"""The real kubectl sees no difference: whole sessions on a cluster with our API server and on one with Kubernetes' own.

Sessions are in `sessions/`. Each line's exit code, output and errors are compared; what may differ is in `ALLOWED`, with its reason.
"""

from __future__ import annotations

import re
import sys
from difflib import unified_diff
from pathlib import Path

import pytest
import sessions
from local_cluster import OWN, REAL, local_cluster

NAMES = sorted(path.stem for path in sessions.FOLDER.glob("*.sh"))
KUBECTL = Path(sys.executable).parent / "kubectl"
pytestmark = [pytest.mark.differential, pytest.mark.timeout(900)]

# line, difference (one line of a diff), why
ALLOWED: tuple[tuple[str, str, str], ...] = ()


@pytest.fixture(scope="module")
def transcripts() -> dict[str, tuple[list[sessions.Said], list[sessions.Said]]]:
    """Every session on both, Kubernetes' own first; a machine has room for one cluster at a time."""
    said = []
    for plane in (REAL, OWN):
        with local_cluster(control_plane=plane) as cluster:
            said.append({name: sessions.play(cluster, name, KUBECTL) for name in NAMES})
    return {name: (said[0][name], said[1][name]) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_kubectl_sees_no_difference(
    transcripts: dict[str, tuple[list[sessions.Said], list[sessions.Said]]], name: str
) -> None:
    """The same lines, the same answers."""
    found = [text for theirs, ours in zip(*transcripts[name], strict=True) if (text := difference(theirs, ours))]
    assert not found, "\n" + "\n".join(found)


def difference(theirs: sessions.Said, ours: sessions.Said) -> str:
    """What differs between two answers to one line; empty if nothing does that may not."""
    left = [] if theirs.code == ours.code else [f"exit code {theirs.code} != {ours.code}"]
    for one, other in ((theirs.out, ours.out), (theirs.err, ours.err)):
        lines = sessions.plain(one), sessions.plain(other)
        if sessions.is_waiting(theirs.line):
            lines = lines[0][-1:], lines[1][-1:]
        left += [each for each in unified_diff(*lines, n=0, lineterm="") if each[:2] not in ("--", "++", "@@")]
    left = [each for each in left if not may_differ(theirs.line, each)]
    return "\n   ".join([f"$ {theirs.line}", *left]) if left else ""


def may_differ(line: str, found: str) -> bool:
    """Whether a difference is one of those that are allowed."""
    return any(re.search(where, line) and re.search(what, found) for where, what, _ in ALLOWED)
