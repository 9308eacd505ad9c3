"""Serves `kubectl logs`: options from the query, the range of the file, and the file while it grows."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web

from spiko_local.kubelet.log_files import follow_log, since_offset, stamp_before, tail_offset, with_times
from spiko_local.kubelet.worker_interfaces import PodView

NO_TIMES = "--timestamps: not available: the lines of this log do not begin with a time\n"


@dataclass(frozen=True)
class LogOptions:
    """Options of `kubectl logs`; None means no limit. `since` is in UTC."""

    tail_lines: int | None
    limit_bytes: int | None
    since: datetime | None
    timestamps: bool
    follow: bool
    previous: bool


async def send_log(request: web.Request, pod: PodView) -> web.StreamResponse:
    """Send a container's log.

    Args:
        request: of /containerLogs.
        pod: whose log is read.
    """
    options = read_options(request.query)
    number = pod.record.container - options.previous
    path = pod.log_file(number) if number > 0 else None
    if path is None or not path.exists():
        which = "previous terminated container" if options.previous else "container"
        name = request.match_info["container"]
        raise web.HTTPBadRequest(text=f'{which} "{name}" in pod "{pod.record.name}" not found\n')

    def grows() -> bool:
        return options.follow and pod.record.container == number and pod.container.running

    pieces = await _open(path, options, grows)
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    left = options.limit_bytes
    with contextlib.suppress(ConnectionError):
        async for data in pieces:
            piece = data if left is None else data[:left]
            await response.write(piece)
            if left is not None and (left := left - len(piece)) <= 0:
                break
        await response.write_eof()
    return response


def read_options(query: Mapping[str, str]) -> LogOptions:
    """Read the options of a request. The API server has validated them; a direct client gets a 400 here."""
    names = ("tailLines", "limitBytes", "sinceSeconds")
    try:
        tail, limit, seconds = (int(query[name]) if query.get(name) else None for name in names)
        since = datetime.fromisoformat(query["sinceTime"]) if query.get("sinceTime") else None
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"{error}\n") from error
    if seconds is not None:
        since = datetime.now(UTC) - timedelta(seconds=seconds)
    elif since is not None:
        since = since.astimezone(UTC)
    flags = (query.get(name) == "true" for name in ("timestamps", "follow", "previous"))
    return LogOptions(tail, limit, since, *flags)


async def _open(path: Path, options: LogOptions, grows: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Return the log from where the options say.

    Raises:
        HTTPBadRequest: times are requested, and the log has none.
    """
    offset, stamp = await asyncio.to_thread(_find_start, path, options)
    if not options.timestamps:
        return follow_log(path, offset, grows)
    if stamp is None and path.stat().st_size:
        raise web.HTTPBadRequest(text=NO_TIMES)
    return with_times(follow_log(path, offset, grows), stamp or datetime.now(UTC))


def _find_start(path: Path, options: LogOptions) -> tuple[int, datetime | None]:
    """Return the first offset, and with --timestamps the time of the line there."""
    offset = tail_offset(path, options.tail_lines)
    if options.since is not None:
        offset = max(offset, since_offset(path, options.since))
    return offset, stamp_before(path, offset) if options.timestamps else None
