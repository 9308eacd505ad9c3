"""Pure: the values of YAML scalars, as kubectl reads them.

kubectl reads YAML with sigs.k8s.io/yaml: booleans, octal numbers and merge keys of YAML 1.1, floats of 1.2,
and neither dates nor base 60. It then converts to JSON, where 1.0 and 1e3 are integers and all keys strings.
Source: go.yaml.in/yaml/v2, resolve.go; `tests/spiko_cli/test_yaml_reader.py` compares with kubectl.
"""

from __future__ import annotations

import math
import re

Scalar = str | int | float | bool | None

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"], True),
    **dict.fromkeys(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"], False),
    **dict.fromkeys(["", "~", "null", "Null", "NULL"], None),
    **dict.fromkeys([".nan", ".NaN", ".NAN"], math.nan),
    **{f"{sign}{word}": float(f"{sign}inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")},
}
_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[oO]?([0-7]+)|0[bB]([01]+)|([1-9][0-9]*|0))")
_BASES = (16, 8, 2, 10)  # of the groups of _INTEGER
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_MAX_DIGITS = 400  # a longer number is outside the range of a float


def resolve(text: str) -> Scalar:
    """Return the value of a scalar without quotes and without a tag.

    >>> [resolve(text) for text in ("on", "012", "1_000", "1e3", "1:30", "2001-01-01", "~")]
    [True, 10, 1000, 1000, '1:30', '2001-01-01', None]
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789" or len(text) > _MAX_DIGITS:
        return text
    plain = text if text[0] == "." else text.replace("_", "")
    if whole := _INTEGER.fullmatch(plain):
        digits, base = next((d, b) for d, b in zip(whole.groups()[1:], _BASES, strict=True) if d is not None)
        number = int(whole[1] + digits, base)
        if -(2**63) <= number < 2**64:
            return number
    if not _FLOAT.fullmatch(plain) or math.isinf(real := float(plain)):
        return text
    return int(real) if real.is_integer() and abs(real) < 2**63 else real


def key_text(value: Scalar) -> str | None:
    """Return a key as JSON has it; None for one that cannot be a key.

    >>> [key_text(value) for value in ("a", True, 8, 1.5, None)]
    ['a', 'true', '8', '1.5', None]
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)
