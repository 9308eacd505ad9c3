"""Log files: the last lines, and lines by the time that they begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spiko_local.kubelet.log_files import since_offset, stamp_before, tail_offset, with_times

START = datetime(2026, 1, 1, tzinfo=UTC)
LOG = b"""no time yet
2026-01-01T00:00:01,000Z INFO one
2026-01-01T00:00:02,500Z ERROR two
Traceback (most recent call last):
2026-01-01T00:00:04,000Z INFO four
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log with times."""
    found = tmp_path / "log"
    found.write_bytes(LOG)
    return found


@pytest.mark.parametrize(
    ("after_s", "first"),
    [
        (0.0, b"no time"),
        (1.0, b"no time"),
        (1.5, b"2026-01-01T00:00:02"),
        (3.0, b"2026-01-01T00:00:04"),
        (5.0, b""),
    ],
)
def test_since_includes_lines_without_a_time_by_the_line_before(
    path: Path, after_s: float, first: bytes
) -> None:
    """Given lines without a time, then they are as old as the line before, or as the first with a time."""
    offset = since_offset(path, START + timedelta(seconds=after_s))

    assert LOG[offset:].startswith(first)
    assert first or offset == len(LOG)


def test_a_log_without_times_is_as_old_as_its_last_write(tmp_path: Path) -> None:
    """Given a log without times, then --since shows all of it or nothing, and no line has a time."""
    plain, empty = tmp_path / "plain", tmp_path / "empty"
    plain.write_bytes(b"hello\n")
    empty.touch()

    written = datetime.fromtimestamp(plain.stat().st_mtime, UTC)

    assert (0, 6) == (since_offset(plain, written), since_offset(plain, written + timedelta(seconds=1)))
    assert 0 == since_offset(empty, written)
    assert stamp_before(plain, 0) is None


@pytest.mark.parametrize(
    ("lines", "expected"), [(0, ""), (1, "c\n"), (2, "b\nc\n"), (9, "a\nb\nc\n"), (None, "a\nb\nc\n")]
)
def test_tail_counts_lines_from_the_end(tmp_path: Path, lines: int | None, expected: str) -> None:
    """Given three lines, then --tail=N shows the last N, and no option all."""
    path = tmp_path / "log"
    path.write_text("a\nb\nc\n")

    assert expected == path.read_text()[tail_offset(path, lines) :]


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_timestamps_prefix_each_line_with_its_time(path: Path, size: int) -> None:
    """Given pieces of any size, from the beginning or from the middle, then every line gets its own time."""

    async def pieces(begin: int) -> AsyncIterator[bytes]:
        for at in range(begin, len(LOG), size):
            yield LOG[at : at + size]

    middle = LOG.index(b"Traceback")
    for begin, seconds in ((0, [1.0, 1.0, 2.5, 2.5, 4.0]), (middle, [2.5, 4.0])):
        stamp = stamp_before(path, begin)
        assert stamp is not None
        text = b"".join([piece async for piece in with_times(pieces(begin), stamp)])
        times = [datetime.fromisoformat(line.split(b" ")[0].decode()) for line in text.splitlines()]

        assert [START + timedelta(seconds=each) for each in seconds] == times
        assert LOG[begin:] == b"".join(line.split(b" ", 1)[1] for line in text.splitlines(keepends=True))
