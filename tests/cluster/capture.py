#!/usr/bin/env python3
"""Writes down what the embedded API server must not know from memory, as a real API server and its Go sources say it.

    python tests/cluster/capture.py        starts a control plane of its own; `python tests/support/control_plane/build.py` first

Into `local/spiko_local/apiserver/data/`: discovery, the OpenAPI v3 documents and one v2 document of the kinds that are served (merge keys,
list types, what is required), which fields Go leaves out when they are empty, and the protobuf descriptors of those kinds. Run it again
when the version of Kubernetes in `kubernetes/go.mod` moves; the diff of the data is what has changed.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from tests.support.local_cluster import REAL, local_cluster
from tests.support.paths import ROOT

DATA = ROOT / "local" / "spiko_local" / "apiserver" / "data"
SERVED = {
    "api/v1": {
        "bindings", "configmaps", "events", "namespaces", "nodes", "pods", "secrets", "serviceaccounts", "services",
    },
    "apis/apps/v1": {"deployments", "replicasets"},
    "apis/events.k8s.io/v1": {"events"},
    "apis/policy/v1": {"poddisruptionbudgets"},
    "apis/coordination.k8s.io/v1": {"leases"},
    "apis/rbac.authorization.k8s.io/v1": {"roles", "rolebindings", "clusterroles", "clusterrolebindings"},
    "apis/apiextensions.k8s.io/v1": {"customresourcedefinitions"},
    "apis/authentication.k8s.io/v1": {"selfsubjectreviews", "tokenreviews"},
    "apis/authorization.k8s.io/v1": {
        "localsubjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews", "subjectaccessreviews",
    },
}  # fmt: skip
LEFT_OUT = {
    "pods/resize",
    "pods/ephemeralcontainers",
    "pods/attach",
}
ROLES = {
    "cluster-admin", "admin", "edit", "view", "system:aggregate-to-admin", "system:aggregate-to-edit", "system:aggregate-to-view",
    "system:basic-user", "system:discovery", "system:public-info-viewer", "system:service-account-issuer-discovery",
}  # fmt: skip
GO_PACKAGES = {
    "io.k8s.api.core.v1": "k8s.io/api/core/v1",
    "io.k8s.api.apps.v1": "k8s.io/api/apps/v1",
    "io.k8s.api.events.v1": "k8s.io/api/events/v1",
    "io.k8s.api.policy.v1": "k8s.io/api/policy/v1",
    "io.k8s.api.coordination.v1": "k8s.io/api/coordination/v1",
    "io.k8s.api.rbac.v1": "k8s.io/api/rbac/v1",
    "io.k8s.api.autoscaling.v1": "k8s.io/api/autoscaling/v1",
    "io.k8s.api.authorization.v1": "k8s.io/api/authorization/v1",
    "io.k8s.api.authentication.v1": "k8s.io/api/authentication/v1",
    "io.k8s.apimachinery.pkg.apis.meta.v1": "k8s.io/apimachinery/pkg/apis/meta/v1",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1": "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1",
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
}  # these write themselves
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
STRUCT = re.compile(r"^type (\w+) struct \{$(.*?)^\}$", re.MULTILINE | re.DOTALL)
FIELD = re.compile(r'^\t(?:(\w+)\s+)?(\*?[\w.\[\]*{}]+)\s+`[^`]*json:"([^"]*)"', re.MULTILINE)


def main() -> None:
    """Write all files."""
    DATA.mkdir(exist_ok=True)
    with local_cluster("--without-operator", control_plane=REAL) as cluster:

        def ask(path: str) -> Any:
            return json.loads(cluster.kubectl("get", "--raw", path).stdout)

        version = ask("/version")
        index = ask("/openapi/v3")["paths"]
        documents = {path: trim(ask(index[path]["serverRelativeURL"]), SERVED[path], path) for path in SERVED}
        swagger = trim_v2(ask("/openapi/v2"))
        discovery = {path: discover(cluster, path) for path in ("api", "apis")}
        columns = read_columns(cluster, discovery)
        roles = {
            kind: read_roles(ask(f"/apis/rbac.authorization.k8s.io/v1/{kind}"))
            for kind in ("clusterroles", "clusterrolebindings")
        }
    write("version.json.gz", {**version, "buildDate": "1970-01-01T00:00:00Z"})
    write("discovery.json.gz", discovery)
    write("columns.json.gz", columns)
    write("roles.json.gz", roles)
    write("swagger.json.gz", swagger)
    write("openapi.json.gz", documents)
    write("omitted.json.gz", read_omitted())
    write_descriptors()


def write(name: str, document: Any) -> None:
    """Compressed, the same bytes for the same content."""
    write_bytes(name, json.dumps(document, sort_keys=True, separators=(",", ":")).encode())


def write_bytes(name: str, data: bytes) -> None:
    """Compressed, without a time."""
    (DATA / name).write_bytes(gzip.compress(data, 9, mtime=0))
    print(f"{name}: {len(data):,} bytes, {(DATA / name).stat().st_size:,} compressed")


# ------------------------------------------------------------------ OpenAPI


def serves(path: str, resources: set[str]) -> bool:
    """Whether a path of a group version belongs to a resource that is served."""
    parts = [part for part in path.strip("/").split("/") if not part.startswith("{")]
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    if parts and parts[0] == "watch":
        return False
    if len(parts) > 1 and parts[0] == "namespaces" and parts[1] not in ("status", "finalize"):
        parts = parts[1:]
    return not parts or (parts[0] in resources and "/".join(parts[:2]) not in LEFT_OUT)


def trim(document: dict[str, Any], resources: set[str], path: str) -> dict[str, Any]:
    """Paths of what is served, and the schemas that they need; kinds in the group that only clients need stay (DeleteOptions)."""
    document["paths"] = {key: value for key, value in document["paths"].items() if serves(key, resources)}
    schemas = document["components"]["schemas"]
    wanted = close(references(document["paths"], "#/components/schemas/"), schemas, "#/components/schemas/")
    document["components"]["schemas"] = {name: schemas[name] for name in sorted(wanted)}
    return document


def trim_v2(document: dict[str, Any]) -> dict[str, Any]:
    """The same of the one old document."""
    document["paths"] = {
        key: value
        for key, value in document["paths"].items()
        if any(key.startswith(f"/{group}/") and serves(key, resources) for group, resources in SERVED.items())
    }
    definitions = document["definitions"]
    wanted = close(references(document["paths"], "#/definitions/"), definitions, "#/definitions/")
    document["definitions"] = {name: definitions[name] for name in sorted(wanted)}
    return document


def references(node: Any, prefix: str) -> set[str]:
    """Every schema that a document names."""
    if isinstance(node, dict):
        named = node.get("$ref")
        found = {named.removeprefix(prefix)} if isinstance(named, str) and named.startswith(prefix) else set()
        return found.union(*(references(value, prefix) for value in node.values()))
    return set().union(*(references(value, prefix) for value in node)) if isinstance(node, list) else set()


def close(wanted: set[str], schemas: dict[str, Any], prefix: str) -> set[str]:
    """With what those need, too."""
    done: set[str] = set()
    while wanted - done:
        name = (wanted - done).pop()
        done.add(name)
        wanted |= references(schemas[name], prefix)
    return done


def read_roles(listed: dict[str, Any]) -> list[dict[str, Any]]:
    """Those of the roles, or bindings, that every cluster has and that are for people: as they are created."""
    kept = ("name", "labels", "annotations")
    return [
        {key: value for key, value in item.items() if key != "metadata"}
        | {"metadata": {key: item["metadata"][key] for key in kept if key in item["metadata"]}}
        for item in listed["items"] if item["metadata"]["name"] in ROLES
    ]  # fmt: skip


def ask_for(cluster: Any, path: str, accept: str) -> Any:
    """One answer in a form that `kubectl get --raw` does not ask for."""
    document = json.loads((cluster.home / "kubeconfig").read_text())
    entry = document["clusters"][0]["cluster"]
    context = ssl.create_default_context(
        cadata=base64.b64decode(entry["certificate-authority-data"]).decode()
    )
    headers = {"Accept": accept, "Authorization": f"Bearer {document['users'][0]['user']['token']}"}
    request = urllib.request.Request(f"{entry['server']}/{path}", headers=headers)
    with urllib.request.urlopen(request, context=context, timeout=10) as reply:
        return json.load(reply)


def read_columns(cluster: Any, discovery: dict[str, Any]) -> dict[str, Any]:
    """The columns in which each resource is printed."""
    found = {}
    for items in discovery.values():
        for group in items:
            for version in group["versions"]:
                name = group["metadata"].get("name", "")
                base = f"apis/{name}/{version['version']}" if name else f"api/{version['version']}"
                for resource in version["resources"]:
                    if "list" in resource["verbs"]:
                        table = ask_for(cluster, f"{base}/{resource['resource']}", TABLE)
                        found[f"{name}/{resource['resource']}"] = table["columnDefinitions"]
    return found


def discover(cluster: Any, path: str) -> list[Any]:
    """Aggregated discovery of the groups and resources that are served."""
    items = ask_for(cluster, path, AGGREGATED)["items"]
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


def module(name: str) -> Path:
    """The folder of a Go module, of the version that the server was built from."""
    here = ROOT / "tests" / "cluster" / "kubernetes"
    done = subprocess.run(
        ["go", "list", "-m", "-f", "{{.Dir}}", name], cwd=here, capture_output=True, text=True, check=True
    )
    return Path(done.stdout.strip())


def folder(package: str) -> Path:
    """The folder of a Go package."""
    name = "/".join(package.split("/")[:2])
    return module(name) / package.removeprefix(name).strip("/")


def read_omitted() -> dict[str, dict[str, list[str]]]:
    """By schema: the fields that Go leaves out of its JSON when they are empty, the structs that it writes even then (`{}`), and the
    metadata, lists and maps that an object of no content has already.

    A pointer is left out when it is nil only, so that a zero behind it stays; `omitempty` leaves no struct out, `omitzero` does.
    """
    structs: dict[str, list[tuple[str, str]]] = {}
    for prefix, package in GO_PACKAGES.items():
        for path in sorted(folder(package).glob("*types*.go")):
            if path.name.endswith("_test.go") or "generated" in path.name:
                continue
            for struct in STRUCT.finditer(path.read_text()):
                structs[f"{prefix}.{struct[1]}"] = [
                    (match[2], match[3]) for match in FIELD.finditer(struct[2])
                ]
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
            elif short == "ObjectMeta" or (
                kind.startswith(("[", "map[")) and not {"omitempty", "omitzero"} & set(options)
            ):
                bare.append(json_name)
            elif (
                kind[0] not in "[m"
                and short in named
                and short not in NO_STRUCTS
                and "omitzero" not in options
            ):
                present.append(json_name)
            elif "omitempty" in options or "omitzero" in options:
                omitted.append(json_name)
        return sorted(omitted), sorted(present), sorted(bare)

    found = {name: read(name) for name in sorted(structs)}
    return {
        "omitted": {name: omitted for name, (omitted, _, _) in found.items() if omitted},
        "present": {name: present for name, (_, present, _) in found.items() if present},
        "bare": {name: bare for name, (_, _, bare) in found.items() if bare},
    }


def write_descriptors() -> None:
    """One FileDescriptorSet of the kinds that are served, compiled from the sources' own .proto files."""
    with tempfile.TemporaryDirectory() as made:
        tree = Path(made)
        names = []
        for name in ("k8s.io/api", "k8s.io/apimachinery", "k8s.io/apiextensions-apiserver"):
            for path in module(name).rglob("generated.proto"):
                target = tree / name / path.relative_to(module(name))
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
