"""YAML as Go's sigs.k8s.io/yaml converts it to JSON: dates are strings, keys become strings, numbers are Go's."""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the loader in C where PyYAML has it
_BOOL, _INT, _FLOAT = (f"tag:yaml.org,2002:{name}" for name in ("bool", "int", "float"))
LARGEST_PLAIN = 1e21  # the largest float that Go writes without an exponent
_TRUE = {"y", "yes", "true", "on"}
_REPLACED = {_BOOL, _INT, _FLOAT, "tag:yaml.org,2002:timestamp"}


class _Loader(_SafeLoader):  # type: ignore[misc]  # the base class is known at run time only
    """A safe loader that resolves scalars as Go does."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # as in the base class
        first: [each for each in found if each[0] not in _REPLACED]
        for first, found in _SafeLoader.yaml_implicit_resolvers.items()
    }


def _construct_int(loader: Any, node: Any) -> int:
    text = loader.construct_scalar(node).replace("_", "").lower()
    sign = -1 if text.startswith("-") else 1
    text = text.lstrip("+-")
    if text.startswith("0") and text.isdigit() and len(text) > 1:
        text = f"0o{text}"
    return sign * int(text, 0)


def _construct_float(loader: Any, node: Any) -> float | int:
    text = loader.construct_scalar(node).replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan")
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"json: unsupported value: {text}")
    return (
        int(value) if value.is_integer() and abs(value) < LARGEST_PLAIN else value
    )  # Go writes integral floats as integers


def _construct_map(loader: Any, node: Any) -> dict[str, Any]:
    loader.flatten_mapping(node)
    found = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        found[_name(key)] = loader.construct_object(value_node, deep=True)
    return found


def _name(key: Any) -> str:
    """A key as a JSON string."""
    if isinstance(key, bool):
        return str(key).lower()
    if isinstance(key, float):
        return f"{key:g}"
    if isinstance(key, str | int):
        return str(key)
    raise ValueError(f"yaml: invalid map key: {key!r}")


def _construct_binary(loader: Any, node: Any) -> str:
    data: bytes = loader.construct_yaml_binary(node)
    return data.decode()


_Loader.add_implicit_resolver(_BOOL, re.compile(r"^(y|Y|yes|Yes|YES|on|On|ON|true|True|TRUE|n|N|no|No|NO|off|Off|OFF|false|False|FALSE)\Z"),
                              list("yYnNtTfFoO"))  # fmt: skip
_Loader.add_implicit_resolver(
    _INT, re.compile(r"^[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)\Z"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    _FLOAT,
    re.compile(r"^([-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))\Z"),
    list("-+0123456789."),
)
_Loader.add_constructor(_BOOL, lambda loader, node: loader.construct_scalar(node).lower() in _TRUE)
_Loader.add_constructor(_INT, _construct_int)
_Loader.add_constructor(_FLOAT, _construct_float)
_Loader.add_constructor("tag:yaml.org,2002:map", _construct_map)
_Loader.add_constructor("tag:yaml.org,2002:binary", _construct_binary)


def load_yaml(data: bytes) -> Any:
    r"""The value of a document, which can be converted to JSON.

    Raises:
        yaml.YAMLError, ValueError: it cannot be parsed or converted.

    >>> load_yaml(b"a: 2026-01-01\nb: 12:30\non: 0o17\n1: [010, 1e3, 1.5, y]")
    {'a': '2026-01-01', 'b': '12:30', 'true': 15, '1': [8, 1000, 1.5, True]}
    """
    return yaml.load(data, _Loader)  # _Loader is a safe loader
