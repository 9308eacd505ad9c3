#!/usr/bin/env python3
"""Captures the data of kube_devserver from a real API server and from Kubernetes' Go sources.

    KUBE_DEVSERVER_BINARIES=FOLDER python kube-devserver/tests/capture.py GO_MODULE

FOLDER has etcd, kube-apiserver and kube-controller-manager; GO_MODULE is the folder of a Go module that
requires k8s.io/kubernetes of the same version. Needs grpcio-tools. The files in `kube_devserver/data/` are
discovery, the OpenAPI documents of the kinds that are served (merge keys, list types, required fields), the
columns of tables, the fields that Go omits when they are empty, and the protobuf descriptors. Run it when the
version of Kubernetes changes.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from devserver_support.differential.control_plane import real_server
from devserver_support.servers import Server

DATA = Path(__file__).resolve().parents[1] / "kube_devserver" / "data"
SERVED = {
    "api/v1": {
        "configmaps", "events", "limitranges", "namespaces", "nodes", "pods", "resourcequotas", "secrets",
        "serviceaccounts", "services",
    },
    "apis/apps/v1": {"deployments", "replicasets"},
    "apis/events.k8s.io/v1": {"events"},
    "apis/policy/v1": {"poddisruptionbudgets"},
    "apis/coordination.k8s.io/v1": {"leases"},
    "apis/rbac.authorization.k8s.io/v1": {"roles", "rolebindings", "clusterroles", "clusterrolebindings"},
    "apis/apiextensions.k8s.io/v1": {"customresourcedefinitions"},
    "apis/authorization.k8s.io/v1": {"selfsubjectaccessreviews", "selfsubjectrulesreviews"},
    "apis/autoscaling/v2": {"horizontalpodautoscalers"},
    "apis/networking.k8s.io/v1": {"networkpolicies"},
}  # fmt: skip
LEFT_OUT = {
    "nodes/proxy",
    "pods/attach",
    "pods/binding",
    "pods/ephemeralcontainers",
    "pods/proxy",
    "pods/resize",
    "serviceaccounts/token",
    "services/proxy",
}
GO_PACKAGES = {
    "io.k8s.api.core.v1": "k8s.io/api/core/v1",
    "io.k8s.api.apps.v1": "k8s.io/api/apps/v1",
    "io.k8s.api.events.v1": "k8s.io/api/events/v1",
    "io.k8s.api.policy.v1": "k8s.io/api/policy/v1",
    "io.k8s.api.coordination.v1": "k8s.io/api/coordination/v1",
    "io.k8s.api.rbac.v1": "k8s.io/api/rbac/v1",
    "io.k8s.api.autoscaling.v1": "k8s.io/api/autoscaling/v1",
    "io.k8s.api.autoscaling.v2": "k8s.io/api/autoscaling/v2",
    "io.k8s.api.authorization.v1": "k8s.io/api/authorization/v1",
    "io.k8s.api.networking.v1": "k8s.io/api/networking/v1",
    "io.k8s.apimachinery.pkg.apis.meta.v1": "k8s.io/apimachinery/pkg/apis/meta/v1",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1": (
        "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
    ),
}
NO_STRUCTS = {
    "Time",
    "MicroTime",
    "JSON",
    "FieldsV1",
    "Duration",
    "ObjectMeta",
    "ListMeta",
    "TypeMeta",
}  # they have their own encoding
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
STRUCT = re.compile(r"^type (\w+) struct \{$(.*?)^\}$", re.MULTILINE | re.DOTALL)
FIELD = re.compile(r'^\t(?:(\w+)\s+)?(\*?[\w.\[\]*{}]+)\s+`[^`]*json:"([^"]*)"', re.MULTILINE)


def main() -> None:
    """Write all files."""
    go_module = Path(sys.argv[1])
    DATA.mkdir(exist_ok=True)
    with real_server() as server:
        version = ask(server, "/version")
        index = ask(server, "/openapi/v3")["paths"]
        urls = {path: index[path]["serverRelativeURL"] for path in SERVED}
        documents = {path: trim(ask(server, url), SERVED[path]) for path, url in urls.items()}
        discovery = {path: discover(server, path) for path in ("api", "apis")}
        columns = read_columns(server, discovery)
    write("version.json.gz", {**version, "buildDate": "1970-01-01T00:00:00Z"})
    write("discovery.json.gz", discovery)
    write("columns.json.gz", columns)
    write("openapi.json.gz", documents)
    write("omitted.json.gz", read_omitted(go_module))
    write_descriptors(go_module)


def ask(server: Server, path: str, accept: str = "application/json") -> Any:
    """The body of an answer."""
    answer = server.ask("GET", path, accept=accept)
    assert answer.status == 200, answer.body
    return answer.body


def write(name: str, document: Any) -> None:
    """Compressed, the same bytes for the same content."""
    write_bytes(name, json.dumps(document, sort_keys=True, separators=(",", ":")).encode())


def write_bytes(name: str, data: bytes) -> None:
    """Compressed, without a time."""
    (DATA / name).write_bytes(gzip.compress(data, 9, mtime=0))
    print(f"{name}: {len(data):,} bytes, {(DATA / name).stat().st_size:,} compressed")


# ------------------------------------------------------------------ OpenAPI


def serves(path: str, resources: set[str]) -> bool:
    """Whether a path belongs to a resource that is served."""
    parts = [part for part in path.strip("/").split("/") if not part.startswith("{")]
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    if parts and parts[0] == "watch":
        return False
    if len(parts) > 1 and parts[0] == "namespaces" and parts[1] not in ("status", "finalize"):
        parts = parts[1:]
    return not parts or (parts[0] in resources and "/".join(parts[:2]) not in LEFT_OUT)


def trim(document: dict[str, Any], resources: set[str]) -> dict[str, Any]:
    """The paths of what is served, and the schemas that they need."""
    document["paths"] = {key: value for key, value in document["paths"].items() if serves(key, resources)}
    schemas = document["components"]["schemas"]
    wanted = close(references(document["paths"], "#/components/schemas/"), schemas, "#/components/schemas/")
    document["components"]["schemas"] = {name: schemas[name] for name in sorted(wanted)}
    return document


def references(node: Any, prefix: str) -> set[str]:
    """The schemas that a document refers to."""
    if isinstance(node, dict):
        named = node.get("$ref")
        found = {named.removeprefix(prefix)} if isinstance(named, str) and named.startswith(prefix) else set()
        return found.union(*(references(value, prefix) for value in node.values()))
    return set().union(*(references(value, prefix) for value in node)) if isinstance(node, list) else set()


def close(wanted: set[str], schemas: dict[str, Any], prefix: str) -> set[str]:
    """Some schemas, and all that they refer to."""
    done: set[str] = set()
    while wanted - done:
        name = (wanted - done).pop()
        done.add(name)
        wanted |= references(schemas[name], prefix)
    return done


def read_columns(server: Server, discovery: dict[str, Any]) -> dict[str, Any]:
    """The columns of each resource's table."""
    found = {}
    for items in discovery.values():
        for group in items:
            for version in group["versions"]:
                name = group["metadata"].get("name", "")
                base = f"apis/{name}/{version['version']}" if name else f"api/{version['version']}"
                for resource in version["resources"]:
                    if "list" in resource["verbs"]:
                        table = ask(server, f"/{base}/{resource['resource']}", TABLE)
                        found[f"{name}/{resource['resource']}"] = table["columnDefinitions"]
    return found


def discover(server: Server, path: str) -> list[Any]:
    """Aggregated discovery of the groups and resources that are served."""
    items = ask(server, f"/{path}", AGGREGATED)["items"]
    found = []
    for item in items:
        group = item["metadata"].get("name", "")
        versions = []
        for version in item["versions"]:
            served = SERVED.get(
                f"apis/{group}/{version['version']}" if group else f"api/{version['version']}"
            )
            if served is None:
                continue
            kept = [resource for resource in version["resources"] if resource["resource"] in served]
            for resource in kept:
                subresources = resource.get("subresources", [])
                resource["subresources"] = [
                    s for s in subresources if f"{resource['resource']}/{s['subresource']}" not in LEFT_OUT
                ]
            versions.append(version | {"resources": kept})
        if versions:
            found.append({"metadata": {"name": group} if group else {}, "versions": versions})
    return found


# ------------------------------------------------------------------ Go sources


def module(go_module: Path, name: str) -> Path:
    """The folder of a Go module, of the version that the server was built from."""
    done = subprocess.run(
        ["go", "list", "-m", "-f", "{{.Dir}}", name],
        cwd=go_module,
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(done.stdout.strip())


def folder(go_module: Path, package: str) -> Path:
    """The folder of a Go package."""
    name = "/".join(package.split("/")[:2])
    return module(go_module, name) / package.removeprefix(name).strip("/")


def read_structs(go_module: Path) -> dict[str, list[tuple[str, str]]]:
    """Return Go type and JSON tag of every field, by schema."""
    structs: dict[str, list[tuple[str, str]]] = {}
    for prefix, package in GO_PACKAGES.items():
        for path in sorted(folder(go_module, package).glob("*types*.go")):
            if path.name.endswith("_test.go") or "generated" in path.name:
                continue
            for struct in STRUCT.finditer(path.read_text()):
                fields = [(match[2], match[3]) for match in FIELD.finditer(struct[2])]
                structs[f"{prefix}.{struct[1]}"] = fields
    return structs


def read_omitted(go_module: Path) -> dict[str, dict[str, list[str]]]:
    """By schema: fields that Go omits when they are empty, structs that it writes even then, and other empty
    fields.

    Go omits a pointer only when it is nil, so that a zero behind it stays; `omitempty` omits no struct,
    `omitzero` does.
    """
    structs = read_structs(go_module)
    named = {name.rsplit(".", 1)[1] for name in structs}

    def read(name: str) -> tuple[list[str], list[str], list[str]]:
        omitted: list[str] = []
        present: list[str] = []
        bare: list[str] = []
        for kind, tag in structs.get(name, ()):
            json_name, *options = tag.split(",")
            short = kind.rsplit(".", 1)[-1]
            if "inline" in options or not json_name:
                inner = read(f"{name.rsplit('.', 1)[0]}.{short}")
                omitted += inner[0]
                present += inner[1]
                bare += inner[2]
            elif kind.startswith("*"):
                continue
            else:
                group = _written_when_empty(kind, short in named and short not in NO_STRUCTS, set(options))
                {"bare": bare, "present": present, "omitted": omitted}.get(group, []).append(json_name)
        return sorted(omitted), sorted(present), sorted(bare)

    found = {name: read(name) for name in sorted(structs)}
    return {
        "omitted": {name: omitted for name, (omitted, _, _) in found.items() if omitted},
        "present": {name: present for name, (_, present, _) in found.items() if present},
        "bare": {name: bare for name, (_, _, bare) in found.items() if bare},
    }


def _written_when_empty(kind: str, is_struct: bool, options: set[str]) -> str:
    """Return the group of a field that is not a pointer; empty if it belongs to none."""
    is_list_or_map = kind.startswith(("[", "map["))
    if kind.rsplit(".", 1)[-1] == "ObjectMeta" or (
        is_list_or_map and not {"omitempty", "omitzero"} & options
    ):
        return "bare"
    if kind[0] not in "[m" and is_struct and "omitzero" not in options:
        return "present"
    return "omitted" if {"omitempty", "omitzero"} & options else ""


def write_descriptors(go_module: Path) -> None:
    """Write one FileDescriptorSet of the served kinds, compiled from Kubernetes' own .proto files."""
    with tempfile.TemporaryDirectory() as made:
        tree = Path(made)
        names = []
        for name in ("k8s.io/api", "k8s.io/apimachinery", "k8s.io/apiextensions-apiserver"):
            for path in module(go_module, name).rglob("generated.proto"):
                target = tree / name / path.relative_to(module(go_module, name))
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
        names = [f"{package}/generated.proto" for package in GO_PACKAGES.values()]
        out = tree / "descriptors"
        subprocess.run(
            [
                sys.executable,
                "-m",
                "grpc_tools.protoc",
                f"-I{tree}",
                f"--descriptor_set_out={out}",
                "--include_imports",
                *names,
            ],
            check=True,
        )
        write_bytes("protobuf.gz", out.read_bytes())


if __name__ == "__main__":
    main()
