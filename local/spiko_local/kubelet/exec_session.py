"""`kubectl exec`: a command with a container's environment, its streams over a WebSocket (v5.channel.k8s.io)."""

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
from typing import Any

from aiohttp import WSMsgType, web

STDIN, STDOUT, STDERR, RESIZE, CLOSE = 0, 1, 2, 4, 255
CHUNK_BYTES = 16_384
Object = dict[str, Any]


async def run_exec(
    socket: web.WebSocketResponse, command: list[str], environ: dict[str, str], stdin: bool, tty: bool
) -> Object:
    """Run a command until it ends or the caller goes; returns the metav1.Status that tells how."""
    terminal, inner = pty.openpty() if tty else (-1, -1)
    try:
        process = await _start(command, environ, stdin, inner)
    except OSError as error:
        if tty:
            os.close(terminal)
            os.close(inner)
        return _failure("InternalError", f"cannot run {command[:1]}: {error.strerror}", 126)
    if tty:
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
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        if tty:
            os.close(terminal)
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    exit_code = code if code > 0 else 128 - code
    return _failure(
        "NonZeroExitCode", f"command terminated with non-zero exit code: exit status {exit_code}", exit_code
    )


async def _start(command: list[str], environ: dict[str, str], stdin: bool, inner: int) -> asyncio.subprocess.Process:
    if inner >= 0:
        return await asyncio.create_subprocess_exec(
            *command, stdin=inner, stdout=inner, stderr=inner, env={"TERM": "xterm", **environ}, start_new_session=True
        )
    source = asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=source,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environ,
        start_new_session=True,
    )


def _failure(reason: str, message: str, code: int) -> Object:
    causes = [{"reason": "ExitCode", "message": str(code)}]
    return {"metadata": {}, "status": "Failure", "reason": reason, "message": message, "details": {"causes": causes}}


async def _pump(socket: web.WebSocketResponse, stream: asyncio.StreamReader, channel: int) -> None:
    while data := await stream.read(CHUNK_BYTES):
        with contextlib.suppress(ConnectionError):
            await socket.send_bytes(bytes([channel]) + data)


async def _pump_terminal(socket: web.WebSocketResponse, terminal: int) -> None:
    """A terminal's end is an error: EIO."""
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
    """What the caller types; when the caller goes, the command goes."""
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
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _resize(terminal: int, data: bytes) -> None:
    with contextlib.suppress(ValueError, KeyError, OSError, struct.error):
        size = json.loads(data)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", size["Height"], size["Width"], 0, 0))
