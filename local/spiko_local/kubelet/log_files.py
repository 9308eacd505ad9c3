"""Reads a container's log file from a line or a time on, and further while it grows.

A pod writes its file itself, so only the lines can say when they were written; those of a nanoservice begin
with a time.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

from spiko_local.timestamps import micro_text

CHUNK_BYTES = 65_536
POLL_S = 0.1
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:[,.](\d{1,6}))?(Z|[+-]\d\d:?\d\d)?\b")


def tail_offset(path: Path, lines: int | None) -> int:
    """Return the offset in bytes at which the last `lines` lines begin; 0 if None."""
    if lines is None:
        return 0
    size = path.stat().st_size
    if lines == 0:
        return size
    position, newlines = size, 0
    with path.open("rb") as file:
        while position > 0:
            step = min(CHUNK_BYTES, position)
            position -= step
            file.seek(position)
            block = file.read(step)
            if position + step == size and block.endswith(b"\n"):
                block = block[:-1]
            found = block.count(b"\n")
            if newlines + found >= lines:
                at = len(block)
                for _ in range(lines - newlines):
                    at = block.rfind(b"\n", 0, at)
                return position + at + 1
            newlines += found
    return 0


def read_stamp(line: bytes) -> datetime | None:
    """Return the time that a line begins with, in UTC, or None. A time without a zone is local.

    >>> read_stamp(b"2026-01-01T00:00:00.250Z INFO up"), read_stamp(b"Traceback")
    (datetime.datetime(2026, 1, 1, 0, 0, 0, 250000, tzinfo=datetime.timezone.utc), None)
    """
    match = _STAMP.match(line)
    if match is None:
        return None
    day, clock, fraction, zone = (part.decode() if part is not None else "" for part in match.groups())
    try:
        found = datetime.fromisoformat(f"{day}T{clock}.{fraction.ljust(6, '0') or '000000'}{zone}")
    except ValueError:
        return None
    return found.astimezone(UTC)


def since_offset(path: Path, since: datetime) -> int:
    """Return the offset in bytes of the first line that was written at a time or after it.

    A line without a time is as old as the line before it, and lines before the first time are as old as that
    one. A log without any time is as old as its last write: too much output is better than none.
    """
    position, is_timed = 0, False
    with path.open("rb") as file:
        for line in file:
            stamp = read_stamp(line)
            if stamp is not None and stamp >= since:
                return position if is_timed else 0
            is_timed = is_timed or stamp is not None
            position += len(line)
    if is_timed:
        return position
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return 0 if written >= since else position


def stamp_before(path: Path, offset: int) -> datetime | None:
    """Return the time of the last line before an offset that has one, else of the first after it, or None."""
    found = None
    with path.open("rb") as file:
        position = 0
        for line in file:
            if position >= offset and found is not None:
                break
            found = read_stamp(line) or found
            position += len(line)
    return found


async def with_times(pieces: AsyncIterator[bytes], last: datetime) -> AsyncIterator[bytes]:
    """Prefix each line with its time, as `kubectl logs --timestamps` does.

    Args:
        pieces: of the log, of any size.
        last: time of lines before the first that has one, in UTC.
    """
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        found = []
        for line in lines:
            last = read_stamp(line) or last
            found.append(_time(last) + line + b"\n")
        yield b"".join(found)
    if rest:
        yield _time(read_stamp(rest) or last) + rest


def _time(moment: datetime) -> bytes:
    return f"{micro_text(moment)} ".encode()


async def follow_log(path: Path, offset: int, grows: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Iterate over a log from an offset on; poll at its end as long as `grows` returns True."""
    with path.open("rb") as file:
        file.seek(offset)
        while True:
            # Called before the read: output written just before the process ended must not be missed.
            may_grow = grows()
            data = file.read(CHUNK_BYTES)
            if data:
                yield data
            elif not may_grow:
                return
            else:
                await asyncio.sleep(POLL_S)
