"""Pure: parses JSON that came over a connection or from an object, within bounds."""

from __future__ import annotations

import json
from typing import Any

from spiko_nanoservice.contract.errors import ContractError

# Digits of an integer: 2^63 has 19. More would cost quadratic time, and no field needs them.
MOST_DIGITS = 19


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        ContractError: the text is not valid JSON, is nested too deeply, or has NaN, Infinity, a float beyond
            the range of doubles, or an integer of more than 19 digits.

    >>> parse_json('{"pods": 3}')
    {'pods': 3}
    """
    try:
        return _DECODER.decode(text if isinstance(text, str) else text.decode())
    except RecursionError:
        raise ContractError("JSON: nested too deeply") from None
    except ContractError:
        raise
    except ValueError as error:
        raise ContractError(f"JSON: {error}") from None


def parse_object(text: str | bytes) -> dict[str, Any]:
    """Return the JSON object of a text. Raises ContractError, as `parse_json` and for other values."""
    value = parse_json(text)
    if not isinstance(value, dict):
        raise ContractError(f"message: {text[:80]!r}: must be a JSON object")
    return value


def _parse_integer(digits: str) -> int:
    if len(digits.lstrip("-")) > MOST_DIGITS:
        raise ContractError(f"JSON: {digits[:MOST_DIGITS]}...: integers have at most {MOST_DIGITS} digits")
    return int(digits)


def _parse_float(digits: str) -> float:
    number = float(digits)
    if number - number != 0:  # infinite
        raise ContractError(f"JSON: {digits[:32]}: beyond the range of floats")
    return number


def _refuse_constant(name: str) -> float:
    raise ContractError(f"JSON: {name}: not a JSON value")


_DECODER = json.JSONDecoder(
    parse_int=_parse_integer, parse_float=_parse_float, parse_constant=_refuse_constant
)
