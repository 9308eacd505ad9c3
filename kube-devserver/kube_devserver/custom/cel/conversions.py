"""From one type to another: `int("3")`, `string(1.5)`, `type(x)`. After cel-go's common/types."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from kube_devserver.custom.cel import types as ty
from kube_devserver.custom.cel.faults import EvalError
from kube_devserver.custom.cel.operators import as_int, as_uint
from kube_devserver.custom.cel.times import parse_duration, parse_timestamp, show_duration, show_timestamp
from kube_devserver.custom.cel.types import Type
from kube_devserver.custom.cel.values import LEAST_INT, MOST_INT, MOST_UINT, Duration, Timestamp, Uint, type_of

_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")


def show_double(value: float) -> str:
    """A double as Go's %g writes it.

    >>> show_double(1.0), show_double(1e6), show_double(0.25), show_double(1e-7)
    ('1', '1e+06', '0.25', '1e-07')
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    number = Decimal(repr(value)).normalize()
    if value == 0 or -4 <= number.adjusted() < 6:  # shortest digits, and an exponent from a million on
        return format(number, "f")
    digits = "".join(map(str, number.as_tuple().digits))
    mantissa = f"{digits[0]}.{digits[1:]}" if digits[1:] else digits
    return f"{'-' if value < 0 else ''}{mantissa}e{number.adjusted():+03}"


def _not(kind: str) -> EvalError:
    return EvalError(f"type conversion error from 'string' to '{kind}'")


def _or_not(parse: Callable[[str], Any], kind: str) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        try:
            return parse(text)
        except EvalError as error:
            raise _not(kind) from error

    return convert


def _int_of_text(text: str) -> int:
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit()) or not LEAST_INT <= int(text[:30]) <= MOST_INT or len(text) > 30:
        raise _not("int")
    return int(text)


def _uint_of_text(text: str) -> Uint:
    if not (text.isascii() and text.isdigit()) or len(text) > 30 or int(text) > MOST_UINT:
        raise _not("uint")
    return Uint(text)


def _double_of_text(text: str) -> float:
    try:
        if text != text.strip() or "_" in text:
            raise ValueError
        return float(text)
    except ValueError as error:
        raise _not("double") from error


def _bool_of_text(text: str) -> bool:
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise _not("bool")


def _int_of_double(value: float) -> int:
    if math.isnan(value) or math.isinf(value) or not -(2.0**63) < value < 2.0**63:
        raise EvalError("integer overflow")
    return int(value)


def _uint_of_double(value: float) -> Uint:
    if math.isnan(value) or not 0 <= value < 2.0**64:
        raise EvalError("unsigned integer overflow")
    return Uint(value)


def text_of_bytes(value: bytes) -> str:
    """UTF-8.

    Raises:
        EvalError: it is not.
    """
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise EvalError("invalid UTF-8 in bytes, cannot convert to string") from error


def _type(value: Any) -> Type:
    if isinstance(value, Type):
        return ty.TYPE
    return type_of(value)


def _same(value: Any) -> Any:
    return value


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "type(A) type(A)": _type, "dyn(A) dyn": _same,
    "bool(bool) bool": _same, "bool(string) bool": _bool_of_text,
    "bytes(bytes) bytes": _same, "bytes(string) bytes": str.encode,
    "double(double) double": _same, "double(int) double": float, "double(string) double": _double_of_text, "double(uint) double": float,
    "duration(duration) duration": _same, "duration(int) duration": Duration, "duration(string) duration": _or_not(parse_duration, "google.protobuf.Duration"),
    "int(int) int": _same, "int(double) int": _int_of_double, "int(duration) int": lambda value: value.ns, "int(string) int": _int_of_text,
    "int(timestamp) int": lambda value: value.ns // 10**9, "int(uint) int": lambda value: as_int(int(value)),
    "string(string) string": _same, "string(bool) string": lambda value: "true" if value else "false", "string(bytes) string": text_of_bytes,
    "string(double) string": show_double, "string(duration) string": show_duration, "string(int) string": str,
    "string(timestamp) string": show_timestamp, "string(uint) string": lambda value: str(int(value)),
    "timestamp(timestamp) timestamp": _same, "timestamp(int) timestamp": lambda value: Timestamp(value * 10**9),
    "timestamp(string) timestamp": _or_not(parse_timestamp, "google.protobuf.Timestamp"),
    "uint(uint) uint": _same, "uint(double) uint": _uint_of_double, "uint(int) uint": as_uint, "uint(string) uint": _uint_of_text,
}  # fmt: skip
