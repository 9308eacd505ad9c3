"""Pure: the Secret volumes of a pod, and the files that a Secret becomes in one of them."""

from __future__ import annotations

import base64
import posixpath
from dataclasses import dataclass

from spiko_local.errors import LocalError
from spiko_local.objects import Object

# Kubernetes adds a volume of this name to pods that do not refuse it; no pod of this cluster reads it.
API_ACCESS = "kube-api-access-"


class MountError(LocalError):
    """A volume cannot be filled; the message is that of Kubernetes' event FailedMount."""


@dataclass(frozen=True)
class SecretVolume:
    """One volume of a pod whose files are a Secret's data.

    Args:
        name: of the volume.
        secret: name of the Secret, in the pod's namespace.
        optional: whether the volume is empty, and not a reason to wait, without the Secret or a key of it.
        items: keys and their relative paths; empty for all keys under their own names.
        mounts: absolute paths in the container, normalized.
    """

    name: str
    secret: str
    optional: bool
    items: tuple[tuple[str, str], ...]
    mounts: tuple[str, ...]


def unsupported_volumes(pod: Object) -> str:
    """Return why a pod's volumes are not possible here; empty if they are."""
    for index, volume in enumerate(pod["spec"].get("volumes") or ()):
        kinds = sorted(volume.keys() - {"name"}) or ["emptyDir"]
        if kinds != ["secret"] and not volume["name"].startswith(API_ACCESS):
            where = f"spec.volumes[{index}].{kinds[0]}"
            return f"{where}: not supported: must be secret, because pods run as processes"
    for index, mount in enumerate(pod["spec"]["containers"][0].get("volumeMounts") or ()):
        if mount.get("subPath") or mount.get("subPathExpr"):
            where = f"spec.containers[0].volumeMounts[{index}]"
            return f"{where}.subPath: not supported: mount the whole volume, because pods run as processes"
    return ""


def secret_volumes(pod: Object) -> tuple[SecretVolume, ...]:
    """Return a pod's Secret volumes with their mounts in its only container."""
    mounts = pod["spec"]["containers"][0].get("volumeMounts") or ()
    return tuple(
        SecretVolume(
            volume["name"],
            volume["secret"].get("secretName", ""),
            bool(volume["secret"].get("optional")),
            tuple((item["key"], item["path"]) for item in volume["secret"].get("items") or ()),
            tuple(
                posixpath.normpath(f"/{mount['mountPath'].lstrip('/')}")
                for mount in mounts
                if mount["name"] == volume["name"]
            ),
        )
        for volume in pod["spec"].get("volumes") or ()
        if "secret" in volume
    )


def build_files(volume: SecretVolume, secret: Object | None) -> dict[str, bytes]:
    """Return a volume's files by their relative path.

    Args:
        volume: the volume.
        secret: the Secret; None if it does not exist.

    Raises:
        MountError: the Secret or a key of it does not exist and the volume is not optional, or a path of the
            volume's items leaves the volume.
    """
    failed = f'MountVolume.SetUp failed for volume "{volume.name}" : '
    if secret is None:
        if volume.optional:
            return {}
        raise MountError(f'{failed}secret "{volume.secret}" not found')
    data: dict[str, str] = secret.get("data") or {}
    found = {}
    for key, path in volume.items or tuple((key, key) for key in data):
        if not is_inside(path):
            raise MountError(f"{failed}invalid path {path!r}: must be relative and must not contain '..'")
        if key in data:
            found[path] = base64.b64decode(data[key])
        elif not volume.optional:
            raise MountError(f"{failed}references non-existent secret key: {key}")
    return found


def is_inside(path: str) -> bool:
    """Return whether a path names a file inside the folder that it is relative to.

    >>> [is_inside(path) for path in ("a", "a/b", "/a", "../a", "a/../b", "..data", "")]
    [True, True, False, False, False, False, False]
    """
    parts = path.split("/")
    return all(part not in ("", ".", "..") for part in parts) and not path.startswith("..")
