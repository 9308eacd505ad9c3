"""Pure: a container's environment, and whether this kubelet can run it at all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from spiko_local.errors import LocalError

Object = dict[str, Any]
OUR_IMAGE = re.compile(r"(^|/)spiko/nanoservice(:[^/@]*)?(@sha256:[0-9a-f]{64})?\Z")
_FIELD = re.compile(r"^metadata\.(labels|annotations)\['([^']+)'\]\Z")
_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")
PASSED_ON = ("PATH", "LANG", "HOME", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV")


class ConfigError(LocalError):
    """A container whose configuration cannot be carried out: CreateContainerConfigError."""


def is_ours(image: str) -> bool:
    """Whether this cluster has the image.

    >>> is_ours("spiko/nanoservice:0.1.0"), is_ours("nginx:1.25"), is_ours("localhost:5000/spiko/nanoservice")
    (True, False, True)
    """
    return OUR_IMAGE.search(image) is not None


def image_message(image: str) -> str:
    """Why an image cannot be had."""
    return f'image "{image}": this cluster runs pods as processes and has spiko/nanoservice only; use kind for other images'


def unsupported(pod: Object) -> str:
    """Why a pod cannot be run here whatever its image; empty if it can."""
    spec = pod["spec"]
    if len(spec["containers"]) != 1:
        return f"spec.containers: {len(spec['containers'])} containers; a pod that runs as a process has exactly one"
    if spec.get("initContainers"):
        return "spec.initContainers: a pod that runs as a process has none"
    return ""


def build_environment(
    pod: Object, container: Object, address: str, host: str, base: Mapping[str, str], extra: Mapping[str, str]
) -> dict[str, str]:
    """The environment of a container.

    Args:
        pod: the object.
        container: one of its containers.
        address: the pod's.
        host: the node's address.
        base: the kubelet's own environment, of which little is passed on.
        extra: what the runtime adds.

    Raises:
        ConfigError: a reference that cannot be resolved here.
    """
    made = {name: base[name] for name in PASSED_ON if name in base} | {"HOSTNAME": pod["metadata"]["name"]}
    for index, entry in enumerate(container.get("env") or ()):
        source = entry.get("valueFrom")
        where = f"env[{index}] {entry['name']}"
        if source is None:
            made[entry["name"]] = expand(entry.get("value", ""), made)
        elif "fieldRef" in source:
            made[entry["name"]] = _field(pod, source["fieldRef"]["fieldPath"], address, host, where)
        else:
            kind = next(iter(source))
            raise ConfigError(f"{where}: {kind} is not to be had on this cluster; write the value")
    if container.get("envFrom"):
        raise ConfigError("envFrom: is not to be had on this cluster; write the values under env")
    return made | dict(extra)


def expand(text: str, known: Mapping[str, str]) -> str:
    """Kubernetes' $(NAME), with $$ for $; an unknown name stays as it is.

    >>> expand("$(A)-$$(A)-$(B)", {"A": "1"})
    '1-$(A)-$(B)'
    """
    return _REFERENCE.sub(lambda m: "$" if m.group() == "$$" else known.get(m.group(1), m.group()), text)


def _field(pod: Object, path: str, address: str, host: str, where: str) -> str:
    metadata, spec = pod["metadata"], pod["spec"]
    plain = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "status.podIP": address,
        "status.podIPs": address,
        "status.hostIP": host,
        "status.hostIPs": host,
    }
    if path in plain:
        return str(plain[path])
    if found := _FIELD.match(path):
        return str((metadata.get(found.group(1)) or {}).get(found.group(2), ""))
    raise ConfigError(f"{where}: fieldPath {path!r} is unknown")
