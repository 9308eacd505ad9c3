"""Pure: whether an observed object has every desired field. Other fields are ignored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_MERGE_KEYS = ("name", "containerPort", "port", "uid", "key", "topologyKey", "type")


def covers(wanted: Any, found: Any) -> bool:
    """Return whether `found` has every field of `wanted`.

    Lists of objects are compared by their merge key, as server-side apply merges them; other lists must be
    equal. A field that is None in `wanted` must be absent.

    >>> covers({"a": [{"name": "x", "v": 1}]}, {"a": [{"name": "y"}, {"name": "x", "v": 1, "w": 2}], "b": 3})
    True
    >>> covers({"a": 1}, {"a": 2})
    False
    """
    if wanted is None:
        return found is None
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            covers(value, found.get(key)) for key, value in wanted.items()
        )
    if isinstance(wanted, list | tuple):
        return isinstance(found, Sequence) and _covers_list(wanted, found)
    return bool(wanted == found)


def _covers_list(wanted: Sequence[Any], found: Sequence[Any]) -> bool:
    if not wanted or not all(isinstance(item, Mapping) for item in wanted):
        return list(wanted) == list(found)
    key = next((k for k in _MERGE_KEYS if all(k in item for item in wanted)), None)
    if key is None:
        return len(wanted) == len(found) and all(covers(a, b) for a, b in zip(wanted, found, strict=True))
    # Tolerations may repeat a key: compare in order.
    if len({item[key] for item in wanted}) < len(wanted):
        return len(wanted) <= len(found) and all(covers(a, b) for a, b in zip(wanted, found, strict=False))
    by_key = {item.get(key): item for item in found if isinstance(item, Mapping)}
    return all(covers(item, by_key.get(item[key])) for item in wanted)
