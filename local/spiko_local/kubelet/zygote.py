"""The zygote: imports and warms up the nanoservice once, then forks a process for every requested container.

`python -m spiko_local.kubelet.zygote SOCKET MODULE [--lifeline FD]`. It has no threads and no running event
loop, so a fork is safe. It outlives the kubelet, and the next kubelet connects to it.

The protocol is one JSON object per line: `{"id", "command", "environ", "log"}` -> `{"id", "pid", "began"}`,
and `{"exit": pid, "code"}` to all connected clients for every child that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from typing import Any

from spiko_local.processes import die_with_parent

EXEC_FAILED = 127


class Zygote:
    """The process that forks containers.

    Args:
        path: of the Unix socket.
        module: has `warm()` and `run(environ) -> int`.
        lifeline: reading end of a pipe; its end ends the zygote. -1 without.
    """

    def __init__(self, path: str, module: str, lifeline: int) -> None:
        self._module = importlib.import_module(module)
        self._lifeline = lifeline
        self._module.warm()
        gc.collect()
        gc.freeze()
        self._selector = selectors.EpollSelector()
        self._lock = take_lock(f"{path}.lock")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        self._listener.listen(4)
        self._clients: dict[socket.socket, bytes] = {}
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._children: set[int] = set()

    def serve(self) -> None:
        """Fork on request until the lifeline ends."""
        signal.set_wakeup_fd(self._wake_write)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # It ends with its lifeline, or by SIGKILL.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        # Set here, not in the child: to replace a handler function there costs 0.1 MB (an exception in enum).
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        if self._lifeline >= 0:
            self._selector.register(self._lifeline, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._listener:
                    client, _ = self._listener.accept()
                    self._clients[client] = b""
                    self._selector.register(client, selectors.EVENT_READ)
                elif key.fileobj == self._wake_read:
                    os.read(self._wake_read, 4096)
                elif key.fileobj == self._lifeline:
                    os._exit(1)
                else:
                    self._read(key.fileobj)  # type: ignore[arg-type]
            self._reap()

    def _read(self, client: socket.socket) -> None:
        try:
            data = client.recv(1 << 20)
        except OSError:
            data = b""
        if not data:
            self._selector.unregister(client)
            del self._clients[client]
            client.close()
            return
        *lines, rest = (self._clients[client] + data).split(b"\n")
        self._clients[client] = rest
        for line in lines:
            request = json.loads(line)
            pid = self._fork(request)
            self._children.add(pid)
            self._send({"id": request["id"], "pid": pid, "began": _start_time(pid)})

    def _fork(self, request: dict[str, Any]) -> int:
        parent = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        code = EXEC_FAILED
        try:  # this is the container now: it must never return into the loop
            code = self._become(request, parent)
        except BaseException:  # noqa: BLE001
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _become(self, request: dict[str, Any], parent: int) -> int:  # noqa: RET503
        os.setsid()
        signal.set_wakeup_fd(-1)
        # SIGCHLD's handler may stay: it does nothing, and an exec resets it.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for descriptor in (
            self._selector.fileno(),
            self._listener.fileno(),
            *(each.fileno() for each in self._clients),
        ):
            os.close(descriptor)
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for target, source in ((0, nothing), (1, log), (2, log)):
            os.dup2(source, target)
        os.close(log)
        os.close(nothing)
        environ: dict[str, str] = request["environ"]
        if not request["command"]:
            return int(self._module.run(environ))
        die_with_parent(parent)()  # programs other than the nanoservice do not watch the lifeline
        os.execvpe(request["command"][0], request["command"], environ)

    def _reap(self) -> None:
        while self._children:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._children.discard(pid)
            self._send({"exit": pid, "code": os.waitstatus_to_exitcode(status)})

    def _send(self, message: dict[str, Any]) -> None:
        for client in list(self._clients):
            with contextlib.suppress(OSError):
                client.sendall(json.dumps(message).encode() + b"\n")


def _start_time(pid: int) -> int:
    """Return `home.start_time` or 0, with two calls only: memory touched between forks is copied."""
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError:
        return 0
    fields = os.read(descriptor, 4096).rpartition(b")")[2].split()
    os.close(descriptor)
    return 0 if fields[0] == b"Z" else int(fields[19])


def take_lock(path: str) -> int:
    """Become the only zygote of a socket, or exit; two are started if a kubelet is killed in between.

    A record lock is not inherited by children: it is free as soon as this process ends, whichever of them
    live on.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit(0)
    return descriptor


def main() -> None:
    """Serve until the lifeline ends."""
    path, module = sys.argv[1:3]
    lifeline = int(sys.argv[4]) if len(sys.argv) > 4 else -1
    Zygote(path, module, lifeline).serve()


if __name__ == "__main__":
    main()
