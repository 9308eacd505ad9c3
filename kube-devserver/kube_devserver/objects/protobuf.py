"""Kubernetes' protobuf encoding, in which kubectl sends some objects, decoded into the same dictionaries as
JSON.

The messages come from the descriptors of Kubernetes' own .proto files, whose field names are JSON's.
"""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from kube_devserver.api_errors import bad_request
from kube_devserver.objects.schema import read_bytes

MAGIC = b"k8s\x00"
META = "k8s.io.apimachinery.pkg.apis.meta.v1"
EXTENSIONS = "k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1"
PACKAGES = {
    "v1": "k8s.io.api.core.v1",
    "apps/v1": "k8s.io.api.apps.v1",
    "events.k8s.io/v1": "k8s.io.api.events.v1",
    "policy/v1": "k8s.io.api.policy.v1",
    "coordination.k8s.io/v1": "k8s.io.api.coordination.v1",
    "rbac.authorization.k8s.io/v1": "k8s.io.api.rbac.v1",
    "autoscaling/v1": "k8s.io.api.autoscaling.v1",
    "autoscaling/v2": "k8s.io.api.autoscaling.v2",
    "networking.k8s.io/v1": "k8s.io.api.networking.v1",
    "authorization.k8s.io/v1": "k8s.io.api.authorization.v1",
    "apiextensions.k8s.io/v1": EXTENSIONS,
    "meta.k8s.io/v1": META,
}


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    files = descriptor_pb2.FileDescriptorSet.FromString(read_bytes("protobuf.gz"))
    for file in files.file:
        pool.Add(file)
    return pool


def _message(name: str) -> type[Message]:
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(name))


def read_protobuf(data: bytes) -> dict[str, Any]:
    """Decode the object in an envelope.

    Raises:
        StatusError: 400, the data is damaged, or no descriptor of the kind exists.
    """
    if not data.startswith(MAGIC):
        text = "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
        raise bad_request(text)
    try:
        envelope = _message("k8s.io.apimachinery.pkg.runtime.Unknown").FromString(data[len(MAGIC) :])
        version, kind = envelope.typeMeta.apiVersion, envelope.typeMeta.kind  # type: ignore[attr-defined]
        package = META if kind.endswith("Options") else PACKAGES.get(version)
        if package is None:
            raise bad_request(f'no kind "{kind}" is registered for version "{version}"')
        message = _message(f"{package}.{kind}").FromString(envelope.raw)  # type: ignore[attr-defined]
    except (DecodeError, KeyError) as error:
        raise bad_request(f"protobuf: {error}") from error
    found: dict[str, Any] = {"apiVersion": version, "kind": kind}
    found.update(read_message(message))
    return found


def read_message(message: Message) -> Any:
    """A message as JSON."""
    special = _SPECIAL.get(message.DESCRIPTOR.full_name)
    if special is not None:
        return special(message)
    found: dict[str, Any] = {}
    for field, value in message.ListFields():
        name = "continue" if field.name == "continue" else field.name
        found[name] = _value(field, value)
    return found


def _value(field: FieldDescriptor, value: Any) -> Any:
    kind: Descriptor | None = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        inner = kind.fields_by_name["value"]
        return {key: _single(inner, each) for key, each in value.items()}
    if field.is_repeated:
        return [_single(field, each) for each in value]
    return _single(field, value)


def _single(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        return read_message(value)
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _time(message: Any) -> str | None:
    if not message.ListFields():
        return None  # Go's zero time is an empty message
    moment = datetime.fromtimestamp(message.seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _micro_time(message: Any) -> str | None:
    if not message.ListFields():
        return None
    moment = datetime.fromtimestamp(message.seconds, UTC).replace(microsecond=message.nanos // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _schema(message: Message) -> Any:
    """A JSON schema: protobuf spells some names otherwise, and Go also writes empty values."""
    found = {_schema_name(field.name): _value(field, value) for field, value in message.ListFields()}
    return {name: value for name, value in found.items() if value != "" and value is not False}


def _schema_name(name: str) -> str:
    """The name of a schema's field in JSON.

    >>> [_schema_name(each) for each in ("ref", "xKubernetesIntOrString", "maxLength")]
    ['$ref', 'x-kubernetes-int-or-string', 'maxLength']
    """
    if name.startswith("xKubernetes"):
        return re.sub("[A-Z]", lambda match: f"-{match[0].lower()}", name)
    return f"${name}" if name in ("ref", "schema") else name


def _either(message: Any) -> Any:
    """The value of a union: a schema, several schemas, a list of names, or a boolean."""
    found = {field.name: _value(field, value) for field, value in message.ListFields()}
    names = ("schema", "jSONSchemas", "property")
    return next((found[name] for name in names if name in found), found.get("allows", False))


_SPECIAL: dict[str, Any] = {
    "k8s.io.apimachinery.pkg.api.resource.Quantity": lambda message: message.string,
    "k8s.io.apimachinery.pkg.util.intstr.IntOrString": lambda message: (
        message.strVal if message.type else message.intVal
    ),
    f"{META}.Time": _time,
    f"{META}.MicroTime": _micro_time,
    f"{META}.Verbs": lambda message: list(message.items),
    f"{META}.FieldsV1": lambda message: json.loads(message.Raw or b"{}"),
    "k8s.io.apimachinery.pkg.runtime.RawExtension": lambda message: json.loads(message.raw or b"null"),
    f"{EXTENSIONS}.JSON": lambda message: json.loads(message.raw or b"null"),
    f"{EXTENSIONS}.JSONSchemaProps": _schema,
    f"{EXTENSIONS}.JSONSchemaPropsOrArray": _either,
    f"{EXTENSIONS}.JSONSchemaPropsOrBool": _either,
    f"{EXTENSIONS}.JSONSchemaPropsOrStringArray": _either,
}
