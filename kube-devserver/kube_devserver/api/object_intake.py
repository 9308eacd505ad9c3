"""Pure: from the object that a client sent to the object that is stored: identity, types, unknown fields,
defaults.
"""

from __future__ import annotations

from typing import Any

from kube_devserver.api.options import Options
from kube_devserver.api_errors import StatusError, bad_request
from kube_devserver.custom import pruning
from kube_devserver.objects.decoding import UnreadableError, decode
from kube_devserver.objects.defaults import set_defaults
from kube_devserver.objects.field_sets import find_fault
from kube_devserver.objects.kinds import Body
from kube_devserver.objects.resource_registry import Resource


def identify(resource: Resource, namespace: str, body: Any) -> Body:
    """The object with apiVersion, kind and namespace, which must agree with the path where the client sent
    them.

    Raises:
        StatusError: 400.
    """
    if not isinstance(body, dict):
        text = f"json: cannot unmarshal {_type(body)} into an object"
        raise bad_request(f"couldn't get version/kind; json parse error: {text}")
    version, kind = body.get("apiVersion") or resource.api_version, body.get("kind") or resource.kind
    if kind != resource.kind:
        short = version.split("/")[-1]
        raise bad_request(f'{kind} in version "{short}" cannot be handled as a {resource.kind}')
    if version != resource.api_version:
        text = f"does not match the expected API version ({resource.api_version})"
        raise bad_request(f"the API version in the data ({version}) {text}")
    metadata = body["metadata"] if body.get("metadata") is not None else {}
    if not isinstance(metadata, dict):
        was = _type(metadata)
        text = f"json: cannot unmarshal {was} into Go struct field .metadata of type v1.ObjectMeta"
        raise bad_request(f'{kind} in version "{resource.version}" cannot be handled as a {kind}: {text}')
    metadata = dict(metadata)
    if resource.namespaced:
        if metadata.get("namespace") not in (None, "", namespace):
            text = "the namespace of the provided object does not match the namespace sent on the request"
            raise bad_request(text)
        metadata["namespace"] = namespace
    else:
        metadata.pop("namespace", None)
    return body | {"apiVersion": version, "kind": kind, "metadata": metadata}


def read(
    resource: Resource, body: Body, options: Options, merged: bool = False, stored: Body | None = None
) -> Body:
    """Decode an object: check its types, drop unknown and empty fields, set defaults.

    Args:
        resource: of the object.
        body: the object, identified.
        options: what to do about unknown fields; gets warnings of them.
        merged: whether an apply made the object: its nulls are then kept, and refused, as Kubernetes does.
        stored: the object that it replaces; parts of it that the object shares are decoded already.

    Raises:
        StatusError: 400.
    """
    if resource.custom is None:
        shared = {k: v for k, v in body.items() if stored is not None and stored.get(k) is v}
        rest = {key: value for key, value in body.items() if key not in shared}
        whole, unknown = decode(resource.node, rest, resource.kind)
        whole |= shared
        _report_unknown(resource, unknown, options)
        set_defaults(resource.group, resource.kind, whole)
        return whole
    node = resource.node
    metadata, bad = decode(node.fields["metadata"], body["metadata"], resource.kind)
    unknown = [f"metadata.{name}" for name in bad]
    rest = {key: value for key, value in body.items() if key != "metadata"}
    found: Body = pruning.prune(node, rest, "", unknown)
    _report_unknown(resource, unknown, options)
    found = pruning.fill_in(node, found)
    if not merged:
        found = pruning.drop_nulls(node, found)
    return found | {"metadata": metadata}


def check_applied(resource: Resource, sent: Body, config: Body, options: Options) -> None:
    """Refuse an apply configuration with a wrong type: it is no error of the merged object.

    Args:
        resource: of the object.
        sent: the configuration as the client sent it.
        config: the same, identified.
        options: what to do about unknown fields; gets warnings of them.

    Raises:
        StatusError: 500 in Kubernetes, too.
    """
    own = sent["metadata"] if isinstance(sent.get("metadata"), dict) else {}
    name = f"{own.get('namespace', '')}/{own.get('name', '')}"
    if fault := find_fault(resource.node, config):
        what = f"{name}; {resource.api_version}, Kind={resource.kind}"
        raise StatusError(500, "", f"failed to create typed patch object ({what}): {fault}")
    try:
        read(resource, config, options)
    except UnreadableError as error:
        kind = f"{resource.group}/{resource.version}, Kind={resource.kind}"
        by = "error decoding from json: " if isinstance(error.why, ValueError) else ""
        why = f"unable to convert unstructured object to {kind}: {by}{error.why}"
        text = f"failed to convert new object ({name}; {kind}) to proper version: {why}"
        raise StatusError(500, "", text) from error


def _report_unknown(resource: Resource, unknown: list[str], options: Options) -> None:
    texts = [f'unknown field "{name}"' for name in unknown]
    if texts and options.validation == "Strict":
        what = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
        raise bad_request(f"{what}strict decoding error: {', '.join(texts)}")
    if options.validation == "Warn":
        options.warnings.extend(texts)


def _type(value: Any) -> str:
    return {str: "string", bool: "bool", list: "array", type(None): "null"}.get(type(value), "number")
