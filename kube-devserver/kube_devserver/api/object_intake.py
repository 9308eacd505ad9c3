"""Pure: from what a client sent to what is stored: whose it is, types, unknown fields, empty fields, defaults."""

from __future__ import annotations

from typing import Any

from kube_devserver.api.options import Options
from kube_devserver.api_errors import bad_request
from kube_devserver.custom import custom_resources
from kube_devserver.objects.decoding import decode
from kube_devserver.objects.defaults import set_defaults
from kube_devserver.objects.resource_registry import Resource
from kube_devserver.storage.store import Body


def identify(resource: Resource, namespace: str, body: Any) -> Body:
    """Check apiVersion, kind and namespace against the path, and fill them in."""
    if not isinstance(body, dict):
        raise bad_request(
            f"couldn't get version/kind; json parse error: json: cannot unmarshal {_type(body)} into an object"
        )
    version, kind = body.get("apiVersion") or resource.api_version, body.get("kind") or resource.kind
    if kind != resource.kind:
        raise bad_request(f'{kind} in version "{version.split("/")[-1]}" cannot be handled as a {resource.kind}')
    if version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({resource.api_version})"
        )
    metadata = body["metadata"] if body.get("metadata") is not None else {}
    if not isinstance(metadata, dict):
        raise bad_request(f"{kind} in version \"{resource.version}\" cannot be handled as a {kind}: json: cannot unmarshal {_type(metadata)}"
                          " into Go struct field .metadata of type v1.ObjectMeta")  # fmt: skip
    metadata = dict(metadata)
    if resource.namespaced:
        if metadata.get("namespace") not in (None, "", namespace):
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        metadata["namespace"] = namespace
    else:
        metadata.pop("namespace", None)
    return body | {"apiVersion": version, "kind": kind, "metadata": metadata}


def read(resource: Resource, body: Body, options: Options, merged: bool = False) -> Body:
    """From what a client sent to what is stored: types, unknown fields, empty fields, defaults."""
    if resource.custom is None:
        whole, unknown = decode(resource.node, body, resource.kind)
        _tell_unknown(resource, unknown, options)
        set_defaults(resource.group, resource.kind, whole)
        return whole
    node = resource.node
    metadata, bad = decode(node.fields["metadata"], body["metadata"], resource.kind)
    unknown = [f"metadata.{name}" for name in bad]
    rest = {key: value for key, value in body.items() if key != "metadata"}
    found: Body = custom_resources.prune(node, rest, "", unknown)
    _tell_unknown(resource, unknown, options)
    found = custom_resources.fill_in(node, found)
    if not merged:  # what an apply has emptied is null, and refused: as Kubernetes does
        found = custom_resources.drop_nulls(node, found)
    return found | {"metadata": metadata}


def _tell_unknown(resource: Resource, unknown: list[str], options: Options) -> None:
    texts = [f'unknown field "{name}"' for name in unknown]
    if texts and options.strict == "Strict":
        what = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
        raise bad_request(f"{what}strict decoding error: {', '.join(texts)}")
    if options.strict == "Warn":
        options.warnings.extend(texts)


def _type(value: Any) -> str:
    return {str: "string", bool: "bool", list: "array", type(None): "null"}.get(type(value), "number")
