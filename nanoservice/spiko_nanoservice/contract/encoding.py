"""Pure: encodes contract dataclasses as JSON values, and decodes them with every field checked."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from spiko_nanoservice.contract.errors import ContractError

T = TypeVar("T")
# Characters of a value that a message quotes.
MOST_QUOTED = 80


def encode(value: Any) -> Any:
    """Return a contract dataclass as JSON values, as `dataclasses.asdict` does but without its deep copies.

    >>> from spiko_nanoservice.contract import Revision
    >>> encode(Revision(0, 7))
    {'term': 0, 'counter': 7}
    """
    if (fields := getattr(type(value), "__dataclass_fields__", None)) is not None:
        return {name: encode(getattr(value, name)) for name in fields}
    if isinstance(value, tuple):
        return tuple([encode(item) for item in value])
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    return value


def decode(kind: type[T], document: Any) -> T:
    """Return a contract dataclass from JSON values.

    Unknown fields are ignored, so that a newer side may send more.

    Args:
        kind: a dataclass of the contract.
        document: what `json.loads` returned.

    Raises:
        ContractError: a field is missing, has the wrong type, or is out of bounds.

    >>> from spiko_nanoservice.contract import Revision
    >>> decode(Revision, {"term": 0, "counter": 7, "news": 1})
    Revision(term=0, counter=7)
    """
    value: T = _decode(kind, document, kind.__name__)
    return value


@functools.cache
def _fields(kind: type) -> tuple[tuple[str, Any, bool], ...]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return tuple(
        (f.name, hints[f.name], f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING)
        for f in dataclasses.fields(kind)
    )


def _decode(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise ContractError(f"{where}: {_shortened(value)}: must be an object")
        found = {}
        for name, hint, required in _fields(typing.cast(type, kind)):
            if name in value:
                found[name] = _decode(hint, value[name], f"{where}.{name}")
            elif required:
                raise ContractError(f"{where}.{name}: required, but missing")
        return typing.cast(Any, kind)(**found)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        decoded = _decode(arguments[0], value, where)
        for bound in arguments[1:]:
            bound.check(decoded, where)
        return decoded
    if origin in (types.UnionType, typing.Union):
        return (
            None
            if value is None
            else _decode(next(a for a in arguments if a is not type(None)), value, where)
        )
    if origin is tuple:
        return _decode_tuple(arguments, value, where)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ContractError(f"{where}: {_shortened(value)}: must be an object")
        return {str(key): _decode(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    # The exact type, because bool is a subclass of int.
    if type(value) is not kind:
        raise ContractError(f"{where}: {_shortened(value)}: must be of type {kind.__name__}")
    return value


def _decode_tuple(arguments: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ContractError(f"{where}: {_shortened(value)}: must be a list")
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_decode(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if len(arguments) != len(value):
        raise ContractError(f"{where}: {_shortened(value)}: must have {len(arguments)} items")
    return tuple(
        _decode(kind, item, f"{where}[{i}]")
        for i, (kind, item) in enumerate(zip(arguments, value, strict=True))
    )


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MOST_QUOTED else f"{text[:MOST_QUOTED]}..."
