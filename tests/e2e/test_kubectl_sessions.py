"""kubectl sees no difference between a cluster with the built-in API server and one with Kubernetes' own.

The sessions are in `tests/support/kubectl_sessions/`. Exit code, output and errors of each line are compared;
differences that are allowed are in `ALLOWED`, with their reasons.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path

import pytest

from tests.support import kubectl_session_runner as sessions
from tests.support.local_cluster import OWN, REAL, local_cluster

NAMES = sorted(path.stem for path in sessions.FOLDER.glob("*.sh"))
KUBECTL = Path(sys.executable).parent / "kubectl"
pytestmark = [pytest.mark.differential, pytest.mark.timeout(900)]

TOKEN = (
    "Volumes:|Mounts:|kube-api-access|serviceaccount|configMap:|ConfigMapName|downwardAPI|DownwardAPI|fieldRef"
    "|fieldPath: metadata.namespace|key: ca.crt|TokenExpiration|expirationSeconds|defaultMode|Optional: false"
    "|Type: Projected|kube-root-ca|path: |projected:|sources:|items:|readOnly: true|serviceAccountToken"
    "|volumeMounts:|volumes:|apiVersion: v1$|^-$"
)
# Pattern of the line, pattern of the difference (one line of a diff), reason.
ALLOWED: tuple[tuple[str, str, str], ...] = (
    (
        "get pods? .*yaml|describe pods?",
        TOKEN,
        "no token is mounted into a process: it finds the cluster by its own environment",
    ),
    (
        "autoscale|create (job|quota)|--prune|api-group=apps|describe ns",
        "",
        "kinds that are not served here; `kube-devserver/README.md`",
    ),
    (
        "create (cluster)?role",
        "Warning: .* are stored, but",
        "this server stores RBAC objects and does not act on them",
    ),
    (
        "diff --server-side|cm b -o yaml --show-managed",
        "",
        "a server-side apply leaves kubectl's last-applied annotation as it is",
    ),
    ("raw /version", "", "the order of keys"),
    ("readyz.verbose", r"^-\[", "checks of components that do not exist here"),
    ("get leases -A", "apiserver-", "one API server needs no identity"),
    (
        "describe node",
        "node.alpha.kubernetes.io/ttl|Annotations: <none>",
        "a hint to kubelets about caches of Secrets, of which this one has none",
    ),
    (
        "picky|types=Warning",
        "nodes are available|no new claims|is not helpful",
        "the built-in scheduler does not preempt pods, and does not mention preemption",
    ),
    ("nodes/.*/proxy", "", "Kubernetes rejects loopback addresses, and all pods here have one"),
    ("kubectl run three", "couldn't attach", "both fall back to logs; a process cannot be attached to"),
    (
        r"kubectl patch|plain: 7",
        "Invalid value|unexpected end|^-[ +@-]|^-$",
        "Kubernetes shows a diff of Go structs, a Go map or a message of its decoder",
    ),
    ("1.5", "Checked value must be of type integer", "a second cause for the same error"),
)


Pairs = dict[str, tuple[list[sessions.Said], list[sessions.Said]]]


def play(names: Sequence[str]) -> Pairs:
    """Play sessions on both clusters, one after the other: a machine can have one at a time."""
    said = []
    for plane in (REAL, OWN):
        with local_cluster(control_plane=plane) as cluster:
            said.append({name: sessions.play(cluster, name, KUBECTL) for name in names})
    return {name: (said[0][name], said[1][name]) for name in names}


@pytest.fixture(scope="module")
def transcripts() -> Pairs:
    """Every session on both clusters."""
    return play(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_kubectl_sees_no_difference(transcripts: Pairs, name: str) -> None:
    """Given a session, when it is played on both clusters, then every line has the same answer.

    Controllers, a kubelet and the waiting of kubectl take part, and their order differs from run to run on
    either cluster. So a session with differences is played once more: a line that differs both times differs
    because of the server.
    """
    found = differences(name, transcripts[name])
    if found:
        again = differences(name, play([name])[name])
        found = {number: text for number, text in found.items() if number in again}
    assert not found, "\n" + "\n".join(found.values())


def differences(name: str, pair: tuple[list[sessions.Said], list[sessions.Said]]) -> dict[int, str]:
    """Return the differences by line number."""
    found = {i: difference(name, theirs, ours) for i, (theirs, ours) in enumerate(zip(*pair, strict=True))}
    return {i: text for i, text in found.items() if text}


def difference(name: str, theirs: sessions.Said, ours: sessions.Said) -> str:
    """Return the difference between two answers to one line; empty if only allowed differences remain."""
    left = [] if theirs.code == ours.code else [f"exit code {theirs.code} != {ours.code}"]
    for one, other in ((theirs.out, ours.out), (theirs.err, ours.err)):
        lines = sessions.plain(name, one), sessions.plain(name, other)
        if sessions.is_waiting(theirs.line):
            lines = lines[0][-1:], lines[1][-1:]
        left += changed(*lines)
    left = [each for each in left if not may_differ(theirs.line, each)]
    return "\n   ".join([f"$ {theirs.line}", *left]) if left else ""


def changed(theirs: list[str], ours: list[str]) -> list[str]:
    """Return the lines that only one side has, in order."""
    found = []
    for tag, i, j, k, n in SequenceMatcher(None, theirs, ours, autojunk=False).get_opcodes():
        if tag != "equal":
            found += [*(f"-{each}" for each in theirs[i:j]), *(f"+{each}" for each in ours[k:n])]
    return found


def may_differ(line: str, found: str) -> bool:
    """Whether a difference is allowed."""
    return any(re.search(where, line) and re.search(what, found) for where, what, _ in ALLOWED)
