"""Reading a container's log file: from the n-th line from the end, and on while it grows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
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
