"""Amounts of Kubernetes: `quantity("1.5Gi").add(quantity("1Mi"))`. After k8s.io/apimachinery/pkg/api/resource."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import MAX_EMAX, MIN_EMIN, ROUND_UP, Context, Decimal
from typing import Any

from kube_devserver.custom.cel.faults import EvalError
from kube_devserver.custom.cel.values import LEAST_INT, MOST_INT, Quantity

_QUANTITY = re.compile(r"^([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*)([-+]?[0-9]*)\Z", re.ASCII)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_WRONG = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
DIGITS, NANO = 18, -9
_EXACT = Context(prec=200, Emax=MAX_EMAX, Emin=MIN_EMIN)


def parse(text: str) -> Quantity:
    """A quantity.

    Raises:
        EvalError: it is none.

    >>> parse("1.5Gi").value, parse("1k").scale
    (Decimal('1610612736.0'), 3)
    """
    if text == "0":
        return Quantity(Decimal(0), 0)
    match = _QUANTITY.match(text)
    if match is None or text == "":  # a suffix alone is 0 of it
        raise EvalError(_WRONG)
    sign, whole, fraction, suffix, power = match[1], match[2].lstrip("0"), match[3] or "", match[4], match[5]
    digits = whole + fraction
    number = Decimal(f"{sign}{whole or 0}.{fraction or 0}")
    if suffix in _BINARY and not power:
        return _binary(number, digits, fraction, _BINARY[suffix])
    if suffix in ("e", "E") and power.lstrip("+-"):
        exponent = _power(power)
    elif suffix in _DECIMAL and not power:
        exponent = _DECIMAL[suffix]
    else:
        raise EvalError("unable to parse quantity's suffix")
    scale = exponent - len(fraction)
    is_small = len(digits) <= DIGITS and scale >= NANO
    return Quantity(_rounded(number.scaleb(exponent, _EXACT)), scale if is_small else None)


def _power(text: str) -> int:
    """An exponent, cut to 32 bits as Go does."""
    if len(text) > 20 or not LEAST_INT <= int(text) <= MOST_INT:
        raise EvalError("unable to parse quantity's suffix")
    return (int(text) + (1 << 31)) % (1 << 32) - (1 << 31)


def _binary(number: Decimal, digits: str, fraction: str, exponent: int) -> Quantity:
    is_small = not fraction and 15 - len(digits) - exponent * 3 // 10 - 1 >= 0
    value = _EXACT.multiply(number, Decimal(1 << exponent))
    return Quantity(value if is_small else _rounded(min(value, Decimal(MOST_INT))), 0 if is_small else None)


def _rounded(value: Decimal) -> Decimal:
    """Away from zero, to nanos."""
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or exponent >= NANO:
        return value
    return value.quantize(Decimal(1).scaleb(NANO), ROUND_UP, Context(prec=10_000, Emax=MAX_EMAX, Emin=MIN_EMIN))


def is_quantity(text: str) -> bool:
    """Whether a text is one."""
    try:
        parse(text)
    except (EvalError, ArithmeticError):
        return False
    return True


def _as_integer(quantity: Quantity) -> int | None:
    """What Go's AsInt64 makes of it: nothing of what was written with decimals, whatever they are."""
    if quantity.scale is None or quantity.scale < 0 or not LEAST_INT <= quantity.value <= MOST_INT:
        return None
    return int(quantity.value)


def _integer(quantity: Quantity) -> int:
    found = _as_integer(quantity)
    if found is None:
        raise EvalError("cannot convert value to integer")
    return found


def _add(one: Quantity, other: Quantity) -> Quantity:
    value = _EXACT.add(one.value, other.value)
    if one.scale is None or other.scale is None:
        return Quantity(value, None, made=True)
    if other.value == 0 or one.value == 0:
        return Quantity(value, one.scale if other.value == 0 else other.scale, made=True)
    scale = min(one.scale, other.scale)
    fits = LEAST_INT <= value.scaleb(-scale, _EXACT) <= MOST_INT
    return Quantity(value, scale if fits else None, made=True)


def _minus(quantity: Quantity) -> Quantity:
    return Quantity(quantity.value.copy_negate(), quantity.scale)


def _of_int(number: int) -> Quantity:
    return Quantity(Decimal(number), 0)


def _compare(one: Quantity, other: Quantity) -> int:
    return int(one.value > other.value) - int(one.value < other.value)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "quantity(string) Quantity": parse, "isQuantity(string) bool": is_quantity,
    "sign(Quantity) int": lambda quantity: int(quantity.value.compare(0)),
    "Quantity.isGreaterThan(Quantity) bool": lambda one, other: _compare(one, other) == 1,
    "Quantity.isLessThan(Quantity) bool": lambda one, other: _compare(one, other) == -1,
    "Quantity.compareTo(Quantity) int": _compare,
    "Quantity.asApproximateFloat() double": lambda quantity: float(quantity.value),
    "Quantity.asInteger() int": _integer, "Quantity.isInteger() bool": lambda quantity: _as_integer(quantity) is not None,
    "Quantity.add(Quantity) Quantity": _add, "Quantity.add(int) Quantity": lambda one, number: _add(one, _of_int(number)),
    "Quantity.sub(Quantity) Quantity": lambda one, other: _add(one, _minus(other)),
    "Quantity.sub(int) Quantity": lambda one, number: _add(one, _of_int(-number)),
}  # fmt: skip
