"""Two API servers side by side, the same requests to both, and what makes their answers comparable."""

from __future__ import annotations

import base64
import http.client
import json
import re
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local_cluster import REAL, local_cluster

from spiko_local.pki import make_pki
from spiko_local.ports import build_candidates, is_free

TOKEN = "differential-token"  # of a server that lives for one test run, on loopback
START_S = 60.0  # two seconds, unless the machine is busy
_UID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CLUSTER_ADDRESS = re.compile(r"^10\.96\.\d+\.\d+$")
_AGE = re.compile(r"^\d+s$")
_SHOWN = re.compile(r'Invalid value: "(\{.*\}|map\[.*\])": ')
_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")


@dataclass
class Answer:
    """Status and body; lines of a watch are a list."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def code_only(self) -> bool:
        """Whether it is a Status without a reason: what Kubernetes answers with 500 on purpose, or cannot classify."""
        return isinstance(self.body, dict) and "reason" not in self.body and "message" in self.body


class Server:
    """One API server."""

    def __init__(self, name: str, url: str, token: str, authority: str) -> None:
        self.name, self._token = name, token
        parts = urlsplit(url)
        assert parts.hostname is not None
        self.host, self.port = parts.hostname, parts.port
        self.context = ssl.create_default_context(cadata=authority)

    @property
    def headers(self) -> dict[str, str]:
        """For requests that are not made by `ask`."""
        return {"Authorization": f"Bearer {self._token}"}

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        content: str = "application/json",
        accept: str = "application/json",
        user: str = "",
    ) -> Answer:
        """One request, whole answer; for another user if one is named."""
        connection = http.client.HTTPSConnection(self.host, self.port, context=self.context, timeout=20)
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._token}", "Accept": accept, "User-Agent": "differential/1"}
        if data is not None:
            headers["Content-Type"] = content
        if user:
            headers["Impersonate-User"] = user
        try:
            connection.request(method, path, data, headers)
            reply = connection.getresponse()
            text = reply.read()
            sent = dict(reply.getheaders())
            sent["Warning"] = ", ".join(reply.headers.get_all("Warning") or ())
        finally:
            connection.close()
        if "watch=" in path:
            return Answer(reply.status, [json.loads(line) for line in text.splitlines() if line.strip()])
        try:
            return Answer(reply.status, json.loads(text) if text else None, sent)
        except ValueError:
            return Answer(reply.status, text.decode(), sent)


@dataclass
class Both:
    """Kubernetes' server and ours."""

    real: Server
    own: Server


@contextmanager
def both_servers() -> Iterator[Both]:
    """Start both; ours without kubelet and operator, the real one with no operator."""
    with local_cluster("--without-operator", control_plane=REAL) as cluster, own_server() as own:
        document = json.loads((cluster.home / "kubeconfig").read_text())
        entry = document["clusters"][0]["cluster"]
        authority = base64.b64decode(entry["certificate-authority-data"]).decode()
        real = Server("real", entry["server"], document["users"][0]["user"]["token"], authority)
        yield Both(real, own)


@contextmanager
def own_server() -> Iterator[Server]:
    """Our API server alone, on a free port; at its end its log must be free of tracebacks."""
    with own_home() as own:
        own.start()
        yield own.server
        own.check_log()


class Own:
    """Our API server's home: it can be started, killed and started again.

    Args:
        home: a folder of its own.
    """

    def __init__(self, home: Path) -> None:
        import random

        self._home = home
        (home / "pki").mkdir()
        make_pki(home / "pki")
        (home / "pki" / "tokens.csv").write_text(f'{TOKEN},spiko-admin,spiko-admin,"system:masters"\n')
        self._port = next(p for p in build_candidates("", random.Random()) if is_free("127.0.0.1", p))
        self.server = Server("own", f"https://127.0.0.1:{self._port}", TOKEN, (home / "pki" / "ca.crt").read_text())
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, files: int = 0) -> None:
        """Start it, which must not run, with at most so many files, 0 for no limit of ours, and wait until it is ready."""
        assert self._process is None or self._process.poll() is not None
        paths = ["--data", str(self._home / "objects.db"), "--pki", str(self._home / "pki")]
        command = [sys.executable, "-m", "kube_devserver", "--port", str(self._port), *paths]
        if files:
            command = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *command]
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + START_S
        while True:
            try:
                if self.server.ask("GET", "/readyz").status == 200:
                    return
            except OSError:
                assert self._process.poll() is None, (self._home / "log").read_text()
                assert time.monotonic() < end, "our API server does not start"
                time.sleep(0.05)

    @property
    def pid(self) -> int:
        """Of the running server."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """Kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def log(self) -> str:
        """What it has said."""
        return (self._home / "log").read_text()

    def check_log(self) -> None:
        """Nothing went wrong inside."""
        text = self.log
        assert "Traceback" not in text, text[-4000:]


@contextmanager
def own_home() -> Iterator[Own]:
    """A home for our API server; whatever runs there at the end is killed."""
    with tempfile.TemporaryDirectory(prefix="spk") as folder:
        own = Own(Path(folder))
        try:
            yield own
        finally:
            own.kill()


class Plain:
    """Makes answers of one server comparable: what may differ by nature gets a name by the order of its appearance."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, str]] = {}

    def name(self, kind: str, value: str) -> str:
        """The same value, the same name."""
        known = self._names.setdefault(kind, {})
        return known.setdefault(value, f"<{kind} {len(known)}>")

    def __call__(self, value: Any, key: str = "") -> Any:
        """The value with names."""
        if isinstance(value, dict):
            return {each: self(value[each], each) for each in sorted(value)}
        if key == "managedFields" and isinstance(value, list):  # controllers write when they come to it
            value = [each for each in value if each.get("manager") != "kube-controller-manager"]
            # their order is that of their times, and a second may end between two writes on one server only
            value.sort(
                key=lambda each: [str(each.get(name)) for name in ("operation", "manager", "subresource", "apiVersion")]
            )
        if isinstance(value, list):
            return [self(each, key) for each in value]
        if not isinstance(value, str):
            return value
        if key == "uid" and value:
            return self.name("uid", value)
        if key == "token" and value:
            return "<token>"
        if key == "resourceVersion" and value:
            return "<version>"
        if _TIME.match(value):
            return "<time>"
        if key == "cells" and _AGE.match(value):
            return "<age>"
        if _CLUSTER_ADDRESS.match(value):
            return self.name("address", value)
        value = _SHOWN.sub('Invalid value: "<object>": ', value)  # whole, in the order of a Go struct or map
        return _UID.sub(lambda match: self.name("uid", match[0]), value)
