"""Definitions of custom kinds for tests."""

from __future__ import annotations

from typing import Any

from devserver_support.servers import Server

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GROUP = "embedded.example.dev"
FREE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
Object = dict[str, Any]


def version(name: str, spec: Object, storage: bool = False, **more: Any) -> Object:
    """A version of a definition, with status and scale."""
    schema = {"type": "object", "properties": {"spec": spec, "status": FREE}}
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    return {
        "name": name, "served": True, "storage": storage, "subresources": {"status": {}, "scale": scale},
        "schema": {"openAPIV3Schema": schema},
    } | more  # fmt: skip


def definition(name: str, *versions: Object, **spec: Any) -> Object:
    """A definition of a namespaced kind of this name."""
    names = {"plural": f"{name}s", "singular": name, "kind": name.capitalize()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{name}s.{GROUP}"},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": list(versions)} | spec,
    }  # fmt: skip


def define(server: Server, name: str, *versions: Object) -> None:
    """Create or change a definition, and wait until its versions are served."""
    made = server.ask("POST", CRD, definition(name, *versions))
    if made.status == 409:
        spec = definition(name, *versions)["spec"]
        made = server.ask(
            "PATCH",
            f"{CRD}/{name}s.{GROUP}",
            {"spec": {"versions": spec["versions"]}},
            "application/merge-patch+json",
        )
    assert made.status in (200, 201), made.body
    for each in versions:
        while server.ask("GET", path_of(each["name"], name)).status != 200:
            pass


def path_of(version: str, name: str, object_name: str = "") -> str:
    """The path of a kind's objects in the namespace `default`, or of one of them."""
    path = f"/apis/{GROUP}/{version}/namespaces/default/{name}s"
    return f"{path}/{object_name}" if object_name else path


def custom(version: str, name: str, object_name: str, spec: Object, **metadata: Any) -> Object:
    """An object."""
    head = {"apiVersion": f"{GROUP}/{version}", "kind": name.capitalize()}
    return head | {"metadata": {"name": object_name} | metadata, "spec": spec}
