"""The resources that are served: built-in ones, as a real API server lists them, and those of
CustomResourceDefinitions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from kube_devserver.objects.kinds import Body, Kind
from kube_devserver.objects.schema import Node, built_in, custom_node, read_data

ALL_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"  # keeps a definition until its objects are deleted


@dataclass(frozen=True, eq=False)
class Resource:
    """One resource of one version.

    Args:
        subresources: by name, as discovery describes them.
        custom: the version's entry of a CustomResourceDefinition; None for a built-in kind.
    """

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    verbs: tuple[str, ...]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: Mapping[str, Body] = field(default_factory=dict)
    custom: Body | None = None

    @property
    def key(self) -> Kind:
        """The kind under which the store keeps the objects."""
        return (self.group, self.plural)

    @property
    def api_version(self) -> str:
        """The apiVersion of the objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def path(self) -> str:
        """The path of its group and version: `api/v1` or `apis/apps/v1`."""
        return f"apis/{self.group}/{self.version}" if self.group else f"api/{self.version}"

    @cached_property
    def node(self) -> Node:
        """The schema of the objects."""
        if self.custom is not None:
            return custom_node(self.custom.get("schema", {}).get("openAPIV3Schema") or {"type": "object"})
        return built_in(self.path, self.kind)


class Registry:
    """All resources that are served now."""

    def __init__(self) -> None:
        self._built_in = {(r.group, r.version, r.plural): r for r in _read_built_in()}
        self._custom: dict[tuple[str, str, str], Resource] = {}
        self._stored = {r.key: r for r in self._built_in.values()}
        self.changes = 0  # counts changes after which discovery and OpenAPI differ

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource of a path; None if it is not served."""
        key = (group, version, plural)
        return self._built_in.get(key) or self._custom.get(key)

    def stored(self, kind: Kind) -> Resource | None:
        """The resource of a kind in its storage version; None if it is unknown."""
        return self._stored.get(kind)

    def built_in(self, group: str) -> list[Resource]:
        """The built-in resources of a group."""
        return [r for r in self._built_in.values() if r.group == group]

    def by_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource of an apiVersion and kind; None if it is not served."""
        found = (r for r in self if r.api_version == api_version and r.kind == kind)
        return next((r for r in found if "list" in r.verbs), None)

    def __iter__(self) -> Iterator[Resource]:
        """All resources."""
        yield from self._built_in.values()
        yield from self._custom.values()

    def define(self, definition: Body) -> None:
        """Serve the versions of a CustomResourceDefinition."""
        self.remove(definition["metadata"]["name"])
        spec = definition["spec"]
        for version, resource in zip(spec["versions"], custom_resources(spec), strict=True):
            if version.get("served"):
                self._custom[resource.group, resource.version, resource.plural] = resource
            if version.get("storage"):
                self._stored[resource.key] = resource
        self.changes += 1

    def remove(self, name: str) -> None:
        """Stop serving the resources of a definition."""
        gone = [key for key, r in self._custom.items() if f"{r.plural}.{r.group}" == name]
        for key in gone:
            del self._custom[key]
        self._stored = {
            key: r for key, r in self._stored.items() if r.custom is None or f"{r.plural}.{r.group}" != name
        }
        self.changes += bool(gone)


def custom_resources(spec: Body) -> list[Resource]:
    """The resources of a definition, one for each version, in its order."""
    names = spec["names"]
    found = []
    for version in spec["versions"]:
        subresources: dict[str, Body] = {}
        if "status" in (version.get("subresources") or {}):
            subresources["status"] = {"kind": names["kind"], "verbs": ["get", "patch", "update"]}
        if "scale" in (version.get("subresources") or {}):
            subresources["scale"] = {
                "kind": "Scale", "group": "autoscaling", "version": "v1", "verbs": ["get", "patch", "update"],
            }  # fmt: skip
        found.append(Resource(
            spec["group"], version["name"], names["kind"], names["plural"],
            names.get("singular") or names["kind"].lower(), spec["scope"] == "Namespaced", ALL_VERBS,
            tuple(names.get("shortNames") or ()), tuple(names.get("categories") or ()),
            subresources, version,
        ))  # fmt: skip
    return found


def _read_built_in() -> Iterator[Resource]:
    for items in read_data("discovery").values():
        for group in items:
            for version in group["versions"]:
                for r in version["resources"]:
                    yield Resource(
                        group["metadata"].get("name", ""), version["version"],
                        r["responseKind"]["kind"], r["resource"], r["singularResource"],
                        r["scope"] == "Namespaced", tuple(r["verbs"]), tuple(r.get("shortNames", ())),
                        tuple(r.get("categories", ())),
                        {s["subresource"]: s for s in r.get("subresources", ())},
                    )  # fmt: skip
