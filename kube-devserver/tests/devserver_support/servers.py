"""API servers for tests: a client of one, and ours as a process that can be killed and started again."""

from __future__ import annotations

import http.client
import json
import socket
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

from devserver_support.pki import make_pki

TOKEN = "test-token"  # of a server that lives for one test run, on loopback
START_S = 60.0  # two seconds, unless the machine is busy


@dataclass
class Answer:
    """Status, body and headers of one answer; the lines of a watch are a list."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def code_only(self) -> bool:
        """Whether the body is a Status without a reason: Kubernetes answers some requests with 500 on
        purpose.
        """
        return isinstance(self.body, dict) and "reason" not in self.body and "message" in self.body


class Server:
    """A client of one API server.

    Args:
        name: shown in failures.
        port: on 127.0.0.1.
        authority: the CA certificate that signed the server's, PEM.
    """

    def __init__(self, name: str, port: int, authority: str) -> None:
        self.name, self.host, self.port = name, "127.0.0.1", port
        self.context = ssl.create_default_context(cadata=authority)

    @property
    def headers(self) -> dict[str, str]:
        """Headers of requests that a test sends itself."""
        return {"Authorization": f"Bearer {TOKEN}"}

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        content: str = "application/json",
        accept: str = "application/json",
    ) -> Answer:
        """Send one request and return the whole answer."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        headers = self.headers | {"Accept": accept, "User-Agent": "differential/1"}
        if data is not None:
            headers["Content-Type"] = content
        connection = http.client.HTTPSConnection(self.host, self.port, context=self.context, timeout=20)
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


@contextmanager
def own_server() -> Iterator[Server]:
    """Start our API server on a free port; at the end its log must not have tracebacks."""
    with own_home() as own:
        own.start()
        yield own.server
        own.check_log()


class Own:
    """The folder of one of our API servers, which can be started, killed and started again.

    Args:
        home: an empty folder.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        prepare_pki(home / "pki")
        self._port = free_port()
        self.server = Server("own", self._port, (home / "pki" / "ca.crt").read_text())
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def command(self) -> list[str]:
        """The server's command line."""
        paths = ["--data", str(self.home / "objects.db"), "--pki", str(self.home / "pki")]
        return [sys.executable, "-m", "kube_devserver", "--port", str(self._port), *paths]

    def start(self, files: int = 0) -> None:
        """Start the server and wait until it is ready.

        Args:
            files: limit of open files; 0 keeps the limit of the test's process.
        """
        assert self._process is None or self._process.poll() is not None
        command = self.command
        if files:
            command = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *command]
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until_ready(self.server, self._process, self.home / "log")

    @property
    def pid(self) -> int:
        """The process ID of the running server."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """Send SIGKILL and wait for the end."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def log(self) -> str:
        """All log lines so far."""
        return (self.home / "log").read_text()

    def check_log(self) -> None:
        """Fail if the log has a traceback."""
        text = self.log
        assert "Traceback" not in text, text[-4000:]


@contextmanager
def own_home() -> Iterator[Own]:
    """A folder for our API server; a server that still runs at the end is killed."""
    with tempfile.TemporaryDirectory(prefix="kds") as folder:
        own = Own(Path(folder))
        try:
            yield own
        finally:
            own.kill()


def prepare_pki(folder: Path) -> None:
    """Make certificates, and the token that `Server` sends."""
    folder.mkdir()
    make_pki(folder)
    (folder / "tokens.csv").write_text(f'{TOKEN},admin,admin,"system:masters"\n')


def wait_until_ready(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    """Ask `/readyz` until the server is ready; fail with its log if it exits or takes too long."""
    end = time.monotonic() + START_S
    while True:
        try:
            if server.ask("GET", "/readyz").status == 200:
                return
        except OSError:
            pass
        assert process.poll() is None, log.read_text()[-4000:]
        assert time.monotonic() < end, f"{server.name} API server is not ready: {log.read_text()[-4000:]}"
        time.sleep(0.05)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
