"""Reading a container's log file: from the n-th line from the end or from a time on, and on while it grows.

A pod writes into its file by itself, so nobody but its lines knows when they were written; the nanoservice's begin with a time.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

CHUNK_BYTES = 65_536
LOOK_S = 0.1


def tail_offset(path: Path, lines: int | None) -> int:
    """Where the last `lines` lines begin, in bytes; 0 for all."""
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


_STAMP = re.compile(rb"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:[,.](\d{1,6}))?(Z|[+-]\d\d:?\d\d)?\b")


def read_stamp(line: bytes) -> datetime | None:
    """The time that a line of a log begins with, in UTC; without a zone it is the machine's own. None if it begins with none.

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
    """Where the first line begins that was written at a time or after it, in bytes.

    A line that begins with no time was written when the one before it was, and those before the first time with that. If no line says when it was
    written the whole log counts as of its last write: rather too much is shown than nothing.
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
    """The time of what stands at an offset, if it says none itself: that of the last line before, or else of the first after."""
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
    """A log with the time of each line before it, as `kubectl logs --timestamps` shows it."""
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
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ ").encode()


async def follow_log(path: Path, offset: int, still: Callable[[], bool]) -> AsyncIterator[bytes]:
    """The log from an offset; at its end it is looked at again as long as `still` says so."""
    with path.open("rb") as file:
        file.seek(offset)
        while True:
            goes_on = still()  # asked before the read: what was written before the end must not be missed
            data = file.read(CHUNK_BYTES)
            if data:
                yield data
            elif not goes_on:
                return
            else:
                await asyncio.sleep(LOOK_S)
