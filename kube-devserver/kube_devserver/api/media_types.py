"""The representations that a client accepts: objects, Tables, metadata alone, discovery."""

from __future__ import annotations

from dataclasses import dataclass

from kube_devserver.api_errors import StatusError

JSON, TABLE, PARTIAL, DISCOVERY = "json", "table", "partial", "discovery"
_JSON_TYPES = ("application/json", "*/*", "application/*")
_OFFERED = (
    "application/json, application/yaml, application/vnd.kubernetes.protobuf, application/json;stream=watch,"
    " application/vnd.kubernetes.protobuf;stream=watch"
)


@dataclass(frozen=True)
class Form:
    """A representation: what is shown, and the version of a Table or of metadata; all are JSON."""

    what: str
    version: str = "v1"


def accepted(header: str) -> list[Form]:
    """The representations that an Accept header takes and this server has, best first.

    >>> accepted("application/json;as=Table;v=v1;g=meta.k8s.io,application/json")
    [Form(what='table', version='v1'), Form(what='json', version='v1')]
    """
    found: list[tuple[float, Form]] = []
    for part in (header or "*/*").split(","):
        media, *parameters = [each.strip() for each in part.split(";")]
        named = dict(each.split("=", 1) for each in parameters if "=" in each)
        if media not in _JSON_TYPES:
            continue
        kind = named.get("as", "")
        form: Form | None = Form(JSON)
        if kind == "Table" and named.get("g") == "meta.k8s.io" and named.get("v") in ("v1", "v1beta1"):
            form = Form(TABLE, named["v"])
        elif kind in ("PartialObjectMetadata", "PartialObjectMetadataList"):
            form = Form(PARTIAL, named.get("v", "v1"))
        elif kind == "APIGroupDiscoveryList":
            form = Form(DISCOVERY, named.get("v", "v2"))
        elif kind:
            form = None
        if form is not None:
            found.append((_quality(named.get("q", "1")), form))
    return [form for _, form in sorted(found, key=lambda each: -each[0])]


def best_form(header: str) -> Form:
    """The representation that an Accept header prefers.

    Raises:
        StatusError: 406, this server has none that the client accepts.
    """
    forms = accepted(header)
    if not forms:
        text = f"406: Not Acceptable\n\nAvailable representations: {_OFFERED}"
        raise StatusError(406, "NotAcceptable", text, {})
    return forms[0]


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
