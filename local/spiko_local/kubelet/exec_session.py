"""Runs the command of `kubectl exec`, with its streams over a WebSocket (v5.channel.k8s.io)."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import signal
import struct
import termios
from dataclasses import dataclass

from aiohttp import WSMsgType, web

from spiko_local.objects import Object

STDIN, STDOUT, STDERR, RESIZE, CLOSE = 0, 1, 2, 4, 255
CHUNK_BYTES = 16_384


@dataclass(frozen=True)
class Exec:
    """The request of a `kubectl exec`."""

    command: list[str]
    environ: dict[str, str]
    stdin: bool
    tty: bool


async def run_exec(socket: web.WebSocketResponse, exec_: Exec) -> Object:
    """Run a command until it ends or the client disconnects, and return its metav1.Status.

    Args:
        socket: prepared.
        exec_: the command and its streams.
    """
    terminal, inner = pty.openpty() if exec_.tty else (-1, -1)
    try:
        process = await _start(exec_, inner)
    except OSError as error:
        if exec_.tty:
            os.close(terminal)
            os.close(inner)
        return _failure("InternalError", f"cannot run {exec_.command[:1]}: {error.strerror}", 126)
    if exec_.tty:
        os.close(inner)
        outputs = [_pump_terminal(socket, terminal)]
    else:
        assert process.stdout is not None
        assert process.stderr is not None
        outputs = [_pump(socket, process.stdout, STDOUT), _pump(socket, process.stderr, STDERR)]
    feeding = asyncio.create_task(_feed(socket, process, terminal))
    try:
        await asyncio.gather(*outputs)
        code = await process.wait()
    finally:
        feeding.cancel()
        if process.returncode is None:
            _kill(process)
        if exec_.tty:
            os.close(terminal)
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    exit_code = code if code > 0 else 128 - code
    text = f"command terminated with non-zero exit code: exit status {exit_code}"
    return _failure("NonZeroExitCode", text, exit_code)


async def _start(exec_: Exec, inner: int) -> asyncio.subprocess.Process:
    if exec_.tty:
        stdin = stdout = stderr = inner
        environ = {"TERM": "xterm", **exec_.environ}
    else:
        stdin = asyncio.subprocess.PIPE if exec_.stdin else asyncio.subprocess.DEVNULL
        stdout = stderr = asyncio.subprocess.PIPE
        environ = exec_.environ
    return await asyncio.create_subprocess_exec(
        *exec_.command, stdin=stdin, stdout=stdout, stderr=stderr, env=environ, start_new_session=True
    )


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _failure(reason: str, message: str, code: int) -> Object:
    causes = [{"reason": "ExitCode", "message": str(code)}]
    return {
        "metadata": {},
        "status": "Failure",
        "reason": reason,
        "message": message,
        "details": {"causes": causes},
    }


async def _pump(socket: web.WebSocketResponse, stream: asyncio.StreamReader, channel: int) -> None:
    while data := await stream.read(CHUNK_BYTES):
        with contextlib.suppress(ConnectionError):
            await socket.send_bytes(bytes([channel]) + data)


async def _pump_terminal(socket: web.WebSocketResponse, terminal: int) -> None:
    """Send a terminal's output; its end is reported as the error EIO."""
    loop = asyncio.get_running_loop()
    os.set_blocking(terminal, False)
    ready = asyncio.Event()
    loop.add_reader(terminal, ready.set)
    try:
        while True:
            await ready.wait()
            ready.clear()
            try:
                data = os.read(terminal, CHUNK_BYTES)
            except BlockingIOError:
                continue
            except OSError:
                return
            if not data:
                return
            with contextlib.suppress(ConnectionError):
                await socket.send_bytes(bytes([STDOUT]) + data)
    finally:
        loop.remove_reader(terminal)


async def _feed(socket: web.WebSocketResponse, process: asyncio.subprocess.Process, terminal: int) -> None:
    """Pass the client's input to the command; kill the command when the client disconnects."""
    async for message in socket:
        if message.type != WSMsgType.BINARY or not message.data:
            continue
        channel, data = message.data[0], message.data[1:]
        if channel == STDIN and terminal >= 0:
            with contextlib.suppress(OSError):
                os.write(terminal, data)
        elif channel == STDIN and process.stdin is not None:
            process.stdin.write(data)
            with contextlib.suppress(ConnectionError):
                await process.stdin.drain()
        elif channel == RESIZE and terminal >= 0:
            _resize(terminal, data)
        elif channel == CLOSE and data[:1] == b"\x00" and process.stdin is not None:
            process.stdin.close()
    _kill(process)


def _resize(terminal: int, data: bytes) -> None:
    with contextlib.suppress(ValueError, KeyError, OSError, struct.error):
        size = json.loads(data)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", size["Height"], size["Width"], 0, 0))
