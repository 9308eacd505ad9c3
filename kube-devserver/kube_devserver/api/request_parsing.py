"""The parts of a request: its path, its query and its body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import yaml

from kube_devserver.api_errors import bad_request, unsupported

PROTOBUF_TYPE = "application/vnd.kubernetes.protobuf"
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DEEPEST = 512  # levels of nesting that a recursive walk has room for on the stack


@dataclass(frozen=True)
class ResourcePath:
    """The parts of a resource's path; an empty `name` means the collection."""

    group: str
    version: str
    namespace: str
    plural: str
    name: str = ""
    subresource: str = ""


def parse_path(path: str) -> ResourcePath | None:
    """The parts of a path; None if it is not a resource's.

    >>> parse_path("/api/v1/namespaces/d/pods/a/log")
    ResourcePath(group='', version='v1', namespace='d', plural='pods', name='a', subresource='log')
    >>> parse_path("/api/v1/namespaces/d/finalize").plural, parse_path("/api/v1/namespaces/d/pods").namespace
    ('namespaces', 'd')
    """
    parts = [part for part in path.split("/") if part]
    if len(parts) >= 3 and parts[0] == "api":
        group, version, parts = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, parts = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2 and not (not group and parts[2] in ("status", "finalize")):
        namespace, parts = parts[1], parts[2:]
    parts += ["", ""]
    return ResourcePath(group, version, namespace, parts[0], parts[1], parts[2])


def flag(query: Mapping[str, str], name: str) -> bool:
    """A boolean of the query, as Go reads it."""
    return query.get(name, "").lower() in ("1", "t", "true")


def number(query: Mapping[str, str], name: str) -> int | None:
    """An integer of the query; None if it is absent.

    Raises:
        StatusError: 400, the value is not an integer of 64 bits.
    """
    text = query.get(name, "")
    if not text:
        return None
    try:
        found = int(text)
    except ValueError as error:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from error
    if not -(2**63) <= found < 2**63:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": value out of range')
    return found


def read_body(data: bytes, content: str) -> Any:
    """Decode a request's body.

    Args:
        data: the body.
        content: its media type.

    Raises:
        StatusError: 400, the body cannot be decoded; 415, the media type is not supported.
    """
    media = content.split(";")[0].strip().lower()
    if media.endswith("+yaml") or media == "application/yaml":
        return read_yaml(data)
    if media == PROTOBUF_TYPE:
        from kube_devserver.objects.protobuf import read_protobuf

        return read_protobuf(data)
    if media in ("", "application/json", "text/plain", "application/octet-stream") or media.endswith("+json"):
        return read_json(data)
    raise unsupported(content, ["application/json", "application/yaml", PROTOBUF_TYPE])


def read_json(data: bytes) -> Any:
    """Decode JSON of a bounded depth."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        text = f"the object provided is unrecognized (must be of type JSON or YAML): {error}"
        raise bad_request(text) from error
    _limit(value, len(data) + 1)
    return value


def read_yaml(data: bytes) -> Any:
    """Decode YAML, or JSON, of a bounded depth."""
    if data.lstrip()[:1] == b"{":
        return read_json(data)
    try:
        value = yaml.load(data, _Loader)
        _limit(value, len(data))
        orjson.dumps(value)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise bad_request(f"error decoding YAML: {error}") from error
    return value


def _limit(value: Any, most: int) -> None:
    """Refuse too deep values, and YAML whose aliases expand to more values than its bytes."""
    level = [value]
    count = 0
    for _ in range(DEEPEST):
        count += len(level)
        if count > most:
            raise bad_request("error decoding YAML: yaml: document contains excessive aliasing")
        level = [
            child for each in level
            for child in (each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
            if isinstance(child, dict | list)
        ]  # fmt: skip
        if not level:
            return
    raise bad_request(f"the object is nested more than {DEEPEST} levels deep")
