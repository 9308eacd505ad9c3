"""The old OpenAPI document in its protobuf form (gnostic's openapi.v2.Document), for client-go's `OpenAPISchema`: definitions, no paths.

The few message types are written by hand: field numbers of OpenAPIv2.proto of github.com/google/gnostic-models.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

ASKED = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"  # which is no media type: hence the other
MEDIA = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_TEXTS = {"$ref": 1, "format": 2, "title": 3, "description": 4, "pattern": 13}
_FLAG, _BYTES = 0, 2  # wire types


def encode_document(document: dict[str, Any]) -> bytes:
    """A document with an `info` and `definitions`."""
    info = _text(1, document["info"]["title"]) + _text(2, document["info"]["version"])
    definitions = _named(1, document["definitions"])
    return _text(1, "2.0") + _part(2, info) + _part(8, b"") + _part(9, definitions)


def encode_schema(schema: dict[str, Any]) -> bytes:
    r"""What readers look at: types, names, references, texts, defaults and vendors' extensions.

    >>> encode_schema({"type": "string"})
    b'\xb2\x01\x08\n\x06string'
    """
    return b"".join(_field(name, value) for name, value in schema.items())


def _field(name: str, value: Any) -> bytes:
    if name in _TEXTS:
        return _text(_TEXTS[name], value)
    if name.startswith("x-"):
        return _part(31, _text(1, name) + _part(2, _any(value)))
    match name:
        case "default":
            return _part(5, _any(value))
        case "required":
            return b"".join(_text(19, each) for each in value)
        case "enum":
            return b"".join(_part(20, _any(each)) for each in value)
        case "additionalProperties" if isinstance(value, dict):
            return _part(21, _part(1, encode_schema(value)))
        case "additionalProperties":
            return _part(21, _key(2, _FLAG) + bytes([bool(value)]))
        case "type":
            return _part(22, _text(1, value))
        case "items" if isinstance(value, dict):
            return _part(23, _part(1, encode_schema(value)))
        case "allOf":
            return b"".join(_part(24, encode_schema(each)) for each in value)
        case "properties":
            return _part(25, _named(1, value))
    return b""


def _named(number: int, schemas: dict[str, Any]) -> bytes:
    pairs: Iterable[tuple[str, Any]] = schemas.items()
    return b"".join(_part(number, _text(1, name) + _part(2, encode_schema(each))) for name, each in pairs)


def _any(value: Any) -> bytes:
    return _part(2, orjson.dumps(value))  # as YAML, which JSON is


def _text(number: int, value: str) -> bytes:
    return _part(number, value.encode())


def _part(number: int, data: bytes) -> bytes:
    return _key(number, _BYTES) + _varint(len(data)) + data


def _key(number: int, wire: int) -> bytes:
    return _varint(number << 3 | wire)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
