"""Pure: the service time in the Server-Timing header of a reply (W3C Server Timing)."""

from __future__ import annotations

# The limits of a duration: characters, and microseconds. One beyond them counts as absent.
LONGEST_DURATION, LONGEST_SERVICE_US = 16, 3_600_000_000


def parse_server_timing(value: bytes | None) -> int | None:
    """Return the microseconds of the `app` metric of a Server-Timing header.

    The result is None without such a metric, or if its duration is not a number from 0 to one hour.

    >>> parse_server_timing(b"app;dur=1.250")
    1250
    >>> parse_server_timing(b"app;dur=99999999999999999999") is None
    True
    >>> parse_server_timing(b"cache;dur=2") is None
    True
    """
    if value is None:
        return None
    if value.startswith(b"app;dur=") and (short := _parse_duration(value[8:])) is not None:
        # The form that the nanoservice itself sends.
        return short
    for metric in value.split(b","):
        name, *parameters = metric.strip().split(b";")
        if name == b"app":
            for parameter in parameters:
                key, _, number = parameter.strip().partition(b"=")
                if key == b"dur" and (found := _parse_duration(number)) is not None:
                    return found
    return None


def _parse_duration(number: bytes) -> int | None:
    """Return decimal milliseconds as microseconds, from 0 to one hour; None if it is anything else."""
    if len(number) > LONGEST_DURATION or not number.replace(b".", b"", 1).isdigit():
        return None
    duration_us = round(float(number) * 1000)
    return duration_us if duration_us <= LONGEST_SERVICE_US else None
