"""Durations and moments: what they are written like, and what they are made of."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kube_devserver.custom.cel.faults import EvalError
from kube_devserver.custom.cel.operators import as_duration, as_timestamp
from kube_devserver.custom.cel.values import Duration, Timestamp

SECOND = 10**9
_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
}
_DURATION = re.compile(r"^([-+]?)(?:0|((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+))\Z", re.ASCII)
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_MOMENT = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)\Z", re.ASCII)


def parse_duration(text: str) -> Duration:
    """A duration as Go reads it.

    Raises:
        EvalError: it is none.

    >>> parse_duration("1h0.5s").ns, parse_duration("-2ms").ns
    (3600500000000, -2000000)
    """
    match = _DURATION.match(text)
    if match is None:
        raise EvalError(f'time: invalid duration "{text}"')
    ns = sum(int(Decimal(number) * _UNITS[unit]) for number, unit in _PART.findall(match[2] or ""))
    return as_duration(-ns if match[1] == "-" else ns)


def show_duration(value: Duration) -> str:
    """In seconds.

    >>> show_duration(Duration(3600500000000)), show_duration(Duration(0))
    ('3600.5s', '0s')
    """
    text = format(Decimal(value.ns) / SECOND, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) + "s"


def parse_timestamp(text: str) -> Timestamp:
    """A moment in RFC 3339.

    Raises:
        EvalError: it is none.

    >>> parse_timestamp("1970-01-01T01:00:01.5+01:00").ns
    1500000000
    """
    match = _MOMENT.match(text)
    try:
        if match is None:
            raise ValueError
        moment = datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00"))
    except ValueError as error:
        why = f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse "{text}" as "2006"'
        raise EvalError(why) from error
    fraction = int((match[2] or "")[:9].ljust(9, "0"))
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    offset = moment.utcoffset() or timedelta()
    return as_timestamp(seconds * SECOND + fraction, int(offset.total_seconds()))


def show_timestamp(value: Timestamp) -> str:
    """In RFC 3339, with the offset that it came with.

    >>> show_timestamp(Timestamp(1500000000)), show_timestamp(Timestamp(0, 3600))
    ('1970-01-01T00:00:01.5Z', '1970-01-01T01:00:00+01:00')
    """
    text = (_moment(value) + timedelta(seconds=value.offset_s)).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    fraction, minutes = value.ns % SECOND, abs(value.offset_s) // 60
    zone = f"{'-' if value.offset_s < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}" if minutes else "Z"
    return text + (f".{fraction:09}".rstrip("0") if fraction else "") + zone


def _moment(value: Timestamp) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value.ns // 1000)


def _in_zone(moment: datetime, zone: str) -> datetime:
    """What clocks show in a zone, which is a name, or hours and minutes however many."""
    if zone in ("", "UTC"):
        return moment
    hours, colon, minutes = zone.partition(":")
    if colon:
        sign = -1 if zone[0] == "-" else 1
        return moment + timedelta(hours=_number(hours), minutes=sign * _number(minutes))
    return moment.astimezone(_zone(zone))


def _number(text: str) -> int:
    if not re.match(r"^[+-]?\d{1,9}\Z", text, re.ASCII):
        raise EvalError(f"strconv.Atoi: parsing {json.dumps(text)}: invalid syntax")
    return int(text)


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise EvalError(f"unknown time zone {name}") from error


_PARTS: dict[str, Callable[[datetime], int]] = {
    "getFullYear": lambda moment: moment.year, "getMonth": lambda moment: moment.month - 1, "getDate": lambda moment: moment.day,
    "getDayOfMonth": lambda moment: moment.day - 1, "getDayOfWeek": lambda moment: moment.isoweekday() % 7,
    "getDayOfYear": lambda moment: moment.timetuple().tm_yday - 1, "getHours": lambda moment: moment.hour,
    "getMinutes": lambda moment: moment.minute, "getSeconds": lambda moment: moment.second,
    "getMilliseconds": lambda moment: moment.microsecond // 1000,
}  # fmt: skip
_SPANS = {"getHours": 3600 * SECOND, "getMinutes": 60 * SECOND, "getSeconds": SECOND, "getMilliseconds": 10**6}


def _part(name: str) -> Callable[..., int]:
    return lambda value, zone="UTC": _PARTS[name](_in_zone(_moment(value), zone))


def _span(name: str) -> Callable[[Duration], int]:
    return lambda value: abs(value.ns) // _SPANS[name] * (1 if value.ns >= 0 else -1)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{f"timestamp.{name}() int": _part(name) for name in _PARTS},
    **{f"timestamp.{name}(string) int": _part(name) for name in _PARTS},
    **{f"duration.{name}() int": _span(name) for name in _SPANS},
}
