"""What a request asks for: path, media types, body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import yaml

from kube_devserver.api_errors import bad_request, unsupported
from kube_devserver.objects.yaml_documents import load_yaml

JSON, YAML, TABLE, PARTIAL = "json", "yaml", "table", "partial"
DISCOVERY = "discovery"
PROTOBUF_TYPE = "application/vnd.kubernetes.protobuf"
DEEPEST = 512


@dataclass(frozen=True)
class Place:
    """A resource path, taken apart; `name` empty means the collection."""

    group: str
    version: str
    namespace: str
    plural: str
    name: str = ""
    subresource: str = ""


def parse_path(path: str) -> Place | None:
    """The place that a path means; None if it is none of a resource.

    >>> parse_path("/apis/apps/v1/namespaces/d/deployments/a/scale")
    Place(group='apps', version='v1', namespace='d', plural='deployments', name='a', subresource='scale')
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
    if parts[0] == "namespaces" and len(parts) > 2 and not (group == "" and parts[2] in ("status", "finalize")):
        namespace, parts = parts[1], parts[2:]
    parts += ["", ""]
    return Place(group, version, namespace, parts[0], parts[1], parts[2])


@dataclass(frozen=True)
class Form:
    """A representation that a client accepts: what, in which encoding, and the version of a Table."""

    what: str
    encoding: str = JSON
    version: str = "v1"


def accepted(header: str) -> list[Form]:
    """What an Accept header takes, best first, of what there is here.

    >>> accepted("application/json;as=Table;v=v1;g=meta.k8s.io,application/json")
    [Form(what='table', encoding='json', version='v1'), Form(what='json', encoding='json', version='v1')]
    """
    found: list[tuple[float, Form]] = []
    for part in (header or "*/*").split(","):
        media, *parameters = [each.strip() for each in part.split(";")]
        named = dict(each.split("=", 1) for each in parameters if "=" in each)
        encoding = {"application/json": JSON, "*/*": JSON, "application/*": JSON, "application/yaml": YAML}.get(media)
        if encoding is None:
            continue
        kind = named.get("as", "")
        form: Form | None = Form(JSON, encoding)
        if kind == "Table" and named.get("g") == "meta.k8s.io" and named.get("v") in ("v1", "v1beta1"):
            form = Form(TABLE, encoding, named["v"])
        elif kind in ("PartialObjectMetadata", "PartialObjectMetadataList"):
            form = Form(PARTIAL, encoding, named.get("v", "v1"))
        elif kind == "APIGroupDiscoveryList":
            form = Form(DISCOVERY, encoding, named.get("v", "v2"))
        elif kind:
            form = None
        if form is not None:
            found.append((_quality(named.get("q", "1")), form))
    return [form for _, form in sorted(found, key=lambda each: -each[0])]


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def read_body(data: bytes, content: str) -> Any:
    """A request's body.

    Args:
        data: as it came.
        content: its media type.

    Raises:
        StatusError: 400, it cannot be read; 415, nobody here reads that.
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
    """JSON of a depth that can be walked."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"the object provided is unrecognized (must be of type JSON or YAML): {error}") from error
    _limit(value, len(data) + 1)
    return value


def read_yaml(data: bytes) -> Any:
    """YAML, or JSON, which it contains."""
    if data.lstrip()[:1] == b"{":
        return read_json(data)
    try:
        value = load_yaml(data)
        _limit(value, len(data))
        orjson.dumps(value)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise bad_request(f"error decoding YAML: {error}") from error
    return value


def _limit(value: Any, most: int) -> None:
    """Refuse what is nested so deep that walking it would end the stack, and YAML that refers to itself over and over: a value needs a byte."""
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


def flag(query: Mapping[str, str], name: str) -> bool:
    """A boolean of the query, as Go reads it."""
    return query.get(name, "").lower() in ("1", "t", "true")
