"""Pure: a container's environment, and whether this kubelet can run it at all."""

from __future__ import annotations

import re
from collections.abc import Mapping

from spiko_local.errors import LocalError
from spiko_local.kubelet.model.volumes import unsupported_volumes
from spiko_local.objects import Object

OUR_IMAGE = re.compile(r"(^|/)spiko/nanoservice(:[^/@]*)?(@sha256:[0-9a-f]{64})?\Z")
_FIELD = re.compile(r"^metadata\.(labels|annotations)\['([^']+)'\]\Z")
_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")
INHERITED = ("PATH", "LANG", "HOME", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV")


class ConfigError(LocalError):
    """The container cannot be configured here; the pod reports CreateContainerConfigError."""


def is_ours(image: str) -> bool:
    """Return whether this cluster has the image.

    >>> is_ours("spiko/nanoservice:0.1.0"), is_ours("nginx:1.25"), is_ours("localhost:5000/spiko/nanoservice")
    (True, False, True)
    """
    return OUR_IMAGE.search(image) is not None


def image_message(image: str) -> str:
    """Return why an image cannot be pulled."""
    return (
        f'image "{image}": not available: this cluster runs pods as processes and has only spiko/nanoservice;'
        " use kind for other images"
    )


def unsupported(pod: Object) -> str:
    """Return why a pod cannot run here, whatever its image; empty if it can."""
    spec = pod["spec"]
    count = len(spec["containers"])
    if count != 1:
        return f"spec.containers: {count} containers: must be exactly one, because pods run as processes"
    if spec.get("initContainers"):
        return "spec.initContainers: must be empty, because pods run as processes"
    return unsupported_volumes(pod)


def build_environment(
    pod: Object, container: Object, address: str, host: str, base: Mapping[str, str], extra: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment of a container.

    Args:
        pod: the object.
        container: one of its containers.
        address: the pod's IP.
        host: the node's IP.
        base: the kubelet's own environment; only `INHERITED` is taken from it.
        extra: variables of the runtime, which win over all others.

    Raises:
        ConfigError: an entry refers to something that this cluster does not have.
    """
    made = {name: base[name] for name in INHERITED if name in base} | {"HOSTNAME": pod["metadata"]["name"]}
    for index, entry in enumerate(container.get("env") or ()):
        source = entry.get("valueFrom")
        where = f"env[{index}] {entry['name']}"
        if source is None:
            made[entry["name"]] = expand(entry.get("value", ""), made)
        elif "fieldRef" in source:
            made[entry["name"]] = _field(pod, source["fieldRef"]["fieldPath"], address, host, where)
        else:
            kind = next(iter(source))
            raise ConfigError(f"{where}: {kind} is not supported on this cluster; set the value directly")
    if container.get("envFrom"):
        raise ConfigError("envFrom: not supported on this cluster; set the values under env")
    return made | dict(extra)


def expand(text: str, known: Mapping[str, str]) -> str:
    """Expand $(NAME) as Kubernetes does: $$ is a $, and an unknown name stays as it is.

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
    raise ConfigError(f"{where}: fieldPath {path!r}: not a supported field of the pod")
