"""Decodes an object of a built-in kind as Go does when it reads and writes it again.

Unknown fields, nulls, and empty fields with `omitempty` are dropped. Structs without it are added, quantities
become canonical, and wrong types are refused.
"""

from __future__ import annotations

import re
from decimal import ROUND_UP, Decimal
from typing import Any

from kube_devserver.api_errors import StatusError, bad_request
from kube_devserver.objects import schema as s
from kube_devserver.objects.byte_values import canonical_base64
from kube_devserver.objects.schema import Node

_SUFFIX = "[eE][+-]?\\d+|Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|"
_QUANTITY = re.compile(rf"^([+-]?)(\d+\.?\d*|\.\d+)({_SUFFIX})\Z", re.ASCII)
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_EMPTY: tuple[Any, ...] = ("", 0, False, [], {})
_GO = {"integer": "int64", "string": "string", "boolean": "bool", "number": "float64"}


def decode(node: Node, value: dict[str, Any], kind: str) -> tuple[dict[str, Any], list[str]]:
    """Decode an object.

    Args:
        node: the kind's schema.
        value: the object.
        kind: its name, for messages.

    Returns:
        The decoded object, and the paths of unknown fields.

    Raises:
        UnreadableError: a value has the wrong type, or is not a quantity or base64.
    """
    reader = _Reader()
    try:
        found = reader.read(node, value, "")
    except _WrongType as error:
        raise UnreadableError(kind, error) from None
    except (StatusError, ValueError) as error:  # an invalid quantity or byte string
        raise UnreadableError(kind, error) from None
    assert isinstance(found, dict)
    return found, reader.unknown


class UnreadableError(StatusError):
    """400: an object cannot be decoded.

    Args:
        kind: the name of its kind.
        why: what is wrong.
    """

    def __init__(self, kind: str, why: Exception) -> None:
        text = f'{kind} in version "v1" cannot be handled as a {kind}: {why}'
        super().__init__(400, "BadRequest", text)
        self.why = why


class _WrongType(Exception):
    def __init__(self, found: Any, path: str, node: Node) -> None:
        was = {str: "string", bool: "bool", dict: "object", list: "array"}.get(type(found), "number")
        form = node.document.get("format")
        wanted = (
            form
            if form in ("int32", "int64")
            else _GO.get(node.scalar if node.kind == s.SCALAR else "", node.kind)
        )
        field = path.lstrip(".")
        super().__init__(f"json: cannot unmarshal {was} into Go struct field {field} of type {wanted}")


class _Reader:
    def __init__(self) -> None:
        self.unknown: list[str] = []

    def read(self, node: Node, value: Any, path: str) -> Any:
        match node.kind:
            case s.STRUCT:
                return self._struct(node, value, path)
            case s.MAP:
                if not isinstance(value, dict):
                    raise _WrongType(value, path, node)
                element = node.element or s.UNTYPED
                return {
                    key: ""
                    if each is None and element.kind == s.SCALAR
                    else self.read(element, each, f"{path}.{key}")
                    for key, each in value.items()
                    if each is not None or element.kind == s.SCALAR
                }
            case s.LIST:
                if not isinstance(value, list):
                    raise _WrongType(value, path, node)
                element = node.element or s.UNTYPED
                return [self.read(element, v, f"{path}[{i}]") for i, v in enumerate(value) if v is not None]
            case s.SCALAR:
                return self._scalar(node, value, path)
        return value

    def _struct(self, node: Node, value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _WrongType(value, path, node)
        found: dict[str, Any] = {}
        fields, omitted = node.fields, node.omitted
        for name, each in value.items():
            child = fields.get(name)
            if child is None:
                if node.open and not fields:
                    found[name] = each
                else:
                    self.unknown.append(f"{path}.{name}".lstrip("."))
                continue
            if each is None:
                continue
            each = self.read(child, each, f"{path}.{name}")
            if name in omitted and each in _EMPTY:
                continue
            found[name] = each
        for name in node.present:
            if name not in found:
                found[name] = self._struct(fields[name], {}, f"{path}.{name}") if name in fields else {}
        return found

    def _scalar(self, node: Node, value: Any, path: str) -> Any:
        kind = node.scalar
        match kind:
            case s.QUANTITY:
                if isinstance(value, bool) or not isinstance(value, str | int | float):
                    raise _WrongType(value, path, node)
                return canonical(str(value))
            case s.INT_OR_STRING:
                good = isinstance(value, str | int) and not isinstance(value, bool)
            case "integer":
                if isinstance(value, float) and value.is_integer():
                    value = int(value)
                good = isinstance(value, int) and not isinstance(value, bool)
                good = good and (node.document.get("format") != "int32" or -(2**31) <= value < 2**31)
            case "boolean":
                good = isinstance(value, bool)
            case "number":
                good = isinstance(value, int | float) and not isinstance(value, bool)
            case s.BYTES:
                if isinstance(value, str):
                    return canonical_base64(value)
                good = False
            case _:
                good = isinstance(value, str)
        if not good:
            raise _WrongType(value, path, node)
        return value


def parse_quantity(text: str) -> Decimal:
    """The value of a quantity.

    Raises:
        StatusError: 400, the text is not a quantity.

    >>> parse_quantity("250m"), parse_quantity("1Ki")
    (Decimal('0.250'), Decimal('1024'))
    """
    match = _QUANTITY.match(text)
    if match is None:
        text = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        raise bad_request(text)
    number, suffix = Decimal(match[1] + match[2]), match[3]
    if suffix in _BINARY:
        return number * _BINARY[suffix]
    return number.scaleb(_DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:]))


def canonical(text: str) -> str:
    """The canonical form of a quantity: with the largest suffix that leaves an integer.

    >>> [canonical(each) for each in ("0.5", "1536Mi", "1024Ki", "1000m", "0", "12e6", "1.5Gi", "100")]
    ['500m', '1536Mi', '1Mi', '1', '0', '12e6', '1536Mi', '100']
    """
    value = parse_quantity(text)
    suffix = _QUANTITY.match(text)[3]  # type: ignore[index]
    if value == 0:
        return "0"
    if suffix in _BINARY and value == value.to_integral_value() and abs(value) >= 1024:
        for name, size in reversed(_BINARY.items()):
            if value % size == 0:
                return f"{int(value // size)}{name}"
    if suffix in _BINARY:
        suffix = ""
    scaled = value.scaleb(9).to_integral_value(rounding=ROUND_UP)  # n is the smallest unit
    exponent = -9
    while scaled % 1000 == 0 and exponent < 18:
        scaled /= 1000
        exponent += 3
    if suffix[:1] in ("e", "E") and suffix != "E":
        return f"{int(scaled)}e{exponent}" if exponent else str(int(scaled))
    names = {power: name for name, power in _DECIMAL.items()}
    return f"{int(scaled)}{names[exponent]}"
