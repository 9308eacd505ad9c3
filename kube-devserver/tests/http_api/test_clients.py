"""Requests of typed clients: protobuf, exact versions, preconditions, discovery hashes."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from devserver_support.servers import Server
from kube_devserver.objects.protobuf import EXTENSIONS, MAGIC, PACKAGES, _message, read_protobuf
from kube_devserver.objects.resource_registry import Registry

CM = "/api/v1/namespaces/default/configmaps"
PROTOBUF = "application/vnd.kubernetes.protobuf"


def envelope(version: str, kind: str, body: Message) -> bytes:
    """The protobuf body that a typed client sends."""
    unknown: Any = _message("k8s.io.apimachinery.pkg.runtime.Unknown")()
    unknown.typeMeta.apiVersion, unknown.typeMeta.kind, unknown.raw = version, kind, body.SerializeToString()
    whole: bytes = unknown.SerializeToString()
    return MAGIC + whole


def test_every_creatable_kind_can_be_read_as_protobuf() -> None:
    """Given kinds that can be created, when their descriptors are looked up, then each has one."""
    served = {r.api_version for r in Registry() if "create" in r.verbs}

    assert served <= PACKAGES.keys()


def test_a_time_that_is_not_set_is_null() -> None:
    """Given Go's zero time, which is an empty message, when it is decoded, then the field is null."""
    event: Any = _message("k8s.io.api.core.v1.Event")()
    event.eventTime.SetInParent()
    event.lastTimestamp.seconds = 60

    found = read_protobuf(envelope("v1", "Event", event))

    assert (found["eventTime"], found["lastTimestamp"]) == (None, "1970-01-01T00:01:00Z")


def test_schemas_are_read_from_protobuf() -> None:
    """Given a schema with unions, when it is decoded, then it is the same as from JSON."""
    schema: Any = _message(f"{EXTENSIONS}.JSONSchemaProps")()
    schema.type, schema.xKubernetesListType, schema.nullable, schema.minimum = "array", "set", False, 0.0
    schema.items.schema.type = "string"
    schema.additionalProperties.allows = True

    found = read_protobuf(envelope("apiextensions.k8s.io/v1", "JSONSchemaProps", schema))

    expected = {
        "type": "array",
        "x-kubernetes-list-type": "set",
        "minimum": 0.0,
        "items": {"type": "string"},
        "additionalProperties": True,
    }
    assert expected == {key: value for key, value in found.items() if key not in ("apiVersion", "kind")}


def test_an_event_of_the_events_group_is_read_from_protobuf(server: Server) -> None:
    """Given an Event as client-go's recorder sends it, when it is created, then it is stored."""
    event: Any = _message("k8s.io.api.events.v1.Event")()
    event.metadata.name, event.metadata.namespace = "a", "default"
    event.eventTime.seconds, event.eventTime.nanos = 1_700_000_000, 5000
    event.reportingController, event.reportingInstance = "x.y/z", "here"
    event.action, event.reason, event.type = "Look", "Seen", "Normal"
    event.regarding.kind, event.regarding.name, event.regarding.namespace = "ConfigMap", "a", "default"

    answer = server.ask(
        "POST",
        "/apis/events.k8s.io/v1/namespaces/default/events",
        envelope("events.k8s.io/v1", "Event", event),
        PROTOBUF,
    )

    assert (answer.status, answer.body.get("eventTime")) == (201, "2023-11-14T22:13:20.000005Z")


def test_a_delete_may_have_a_precondition(server: Server) -> None:
    """Given a wrong version in the preconditions, when an object is deleted, then the answer is Kubernetes'
    409.
    """
    version = server.ask("POST", CM, {"metadata": {"name": "precise"}}).body["metadata"]["resourceVersion"]

    refused = server.ask("DELETE", f"{CM}/precise", {"preconditions": {"resourceVersion": "1"}}).body

    why = "the ResourceVersion in the precondition (1) does not match the ResourceVersion in record"
    why += f" ({version}). The object might have been modified"
    assert refused["message"] == f'Operation cannot be fulfilled on ConfigMap "precise": {why}'


def test_discovery_has_kubernetes_own_hashes(server: Server) -> None:
    """Given discovery, when it is read, then storage version hashes are Kubernetes' own."""
    listed = {
        each["name"]: each.get("storageVersionHash")
        for each in server.ask("GET", "/api/v1").body["resources"]
    }
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    groups = {
        each["metadata"]["name"]: each for each in server.ask("GET", "/apis", accept=accept).body["items"]
    }

    assert (listed["pods"], listed["configmaps"]) == ("xPOwRZ+Yhw8=", "qFsyl6wFWjQ=")
    assert {"group": "", "version": "", "kind": "Deployment"} == groups["apps"]["versions"][0]["resources"][
        0
    ]["responseKind"]
