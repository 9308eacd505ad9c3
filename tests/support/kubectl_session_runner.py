"""Plays sessions of kubectl line by line, and normalizes transcripts so that two can be compared."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.local_cluster import Cluster
from tests.support.paths import ROOT

FOLDER = Path(__file__).with_name("kubectl_sessions")
EXAMPLES = ("lamp.yaml", "crash-webservers.yaml")
LONGEST_S = 120
_WORD = "[bcdfghjklmnpqrstvwxz2456789]"  # the letters of random names
_NODE, _ZONE = re.compile(r"\bspiko-worker\d?\b"), re.compile(r"\bus-east-1[abc]\b")
_PLAIN = (
    (re.compile(r'Invalid value: "\{.*\}": '), 'Invalid value: "<object>": '),
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<uid>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<time>"),
    (re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}"), "<time>"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ [+-]\d{4}"), "<time>"),
    (re.compile(r"\bW\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ "), "W<time> "),
    (re.compile(r"\b\d+ ms\b"), "<ms>"),
    (re.compile(r"\b\d+ failed requests?"), "<failed>"),
    (re.compile(rf"-{_WORD}{{8,10}}-{_WORD}{{5}}\b"), "-<hash>-<pod>"),
    (re.compile(rf"-{_WORD}{{8,10}}\b"), "-<hash>"),
    (re.compile(rf"=(?=[a-z0-9]*\d){_WORD}{{8,10}}\b"), "=<hash>"),
    (re.compile(rf"(?<=pod-template-hash: )\"?{_WORD}{{8,10}}\"?"), "<hash>"),
    (re.compile(r"kube-api-access-\w{5}"), "kube-api-access-<random>"),
    (re.compile(r"\b127\.\d+\.\d+\.\d+\b"), "<address>"),
    (re.compile(r"\b10\.96\.\d+\.\d+\b"), "<address>"),
    (re.compile(r"(?<=<address>:)\d{4,5}\b"), "<port>"),
    (re.compile(r"(?i)(resource ?version\\*\"?: *)\\*\"?\d+\\*\"?"), r"\1<version>"),
    (re.compile(r"\b(\d+[dhms]){1,2}( ago)?(?= |$|\))", re.MULTILINE), "<age>"),
    (re.compile(r"<age> \((x\d+ over )?<age>\)"), "<age>"),
    (re.compile(r"/tmp/\S+"), "<file>"),
    (re.compile(r"[ \t]+"), " "),
    (re.compile(r" $", re.MULTILINE), ""),
)


@dataclass(frozen=True)
class Said:
    """One line of a session with its result."""

    line: str
    code: int
    out: str
    err: str


def read(name: str) -> list[str]:
    """Return the lines of a session without comments and empty lines."""
    text = (FOLDER / f"{name}.sh").read_text()
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def play(cluster: Cluster, name: str, kubectl: Path) -> list[Said]:
    """Play a session in a namespace of its own."""
    namespace = f"kubectl-{name}"
    cluster.kubectl("create", "namespace", namespace)
    cluster.kubectl("config", "set-context", "--current", "--namespace", namespace)
    node = cluster.items("nodes")[0]["metadata"]["name"]
    folder = cluster.home / "session"
    folder.mkdir(exist_ok=True)
    for path in [*FOLDER.glob("*.yaml"), *(ROOT / "examples" / each for each in EXAMPLES)]:
        (folder / path.name).write_bytes(path.read_bytes())
    environ = cluster.environ | {
        "PATH": f"{kubectl.parent}{os.pathsep}{os.environ['PATH']}",
        "KUBECTL_KYAML": "false",
    }
    try:
        return [_say(line.replace("NODE", node), folder, environ) for line in read(name)]
    finally:
        cluster.kubectl("config", "set-context", "--current", "--namespace", "default")
        cluster.kubectl("delete", "namespace", namespace)


def _say(line: str, folder: Path, environ: dict[str, str]) -> Said:
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Said(line, done.returncode, done.stdout, done.stderr)


def plain(session: str, text: str) -> list[str]:
    """Return the lines of a text without random and time-dependent parts.

    Lines with random names are sorted, since these names decide their order, and so are lines about owners of
    fields, which are ordered by the second of their write. Names of nodes are replaced except in the session
    about nodes.
    """
    if session != "nodes":
        text = _NODE.sub("<node>", _ZONE.sub("<zone>", text))
    for pattern, replacement in _PLAIN:
        text = pattern.sub(replacement, text)
    lines = text.splitlines()
    return sorted(lines) if any(each in text for each in ("<pod>", "<hash>", "managedFields:")) else lines


def is_waiting(line: str) -> bool:
    """Whether a line prints intermediate steps, which differ from run to run: only its end is compared."""
    words = shlex.split(line.replace("'", "")) if line.count("'") % 2 else shlex.split(line)
    return words[1:3] == ["rollout", "status"]
