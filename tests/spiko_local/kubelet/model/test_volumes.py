"""Secret volumes: what a pod's spec asks for, and the files that a Secret becomes."""

from __future__ import annotations

from typing import Any

import pytest

from spiko_local.kubelet.model.environment import unsupported
from spiko_local.kubelet.model.volumes import MountError, build_files, secret_volumes
from spiko_local.objects import Object
from tests.support.kubelets import pod, secret

SECRET = secret({"a": b"\x00one", "b": b"two"})


def with_volume(mounts: list[Object] | None = None, **source: Any) -> Object:
    """A pod with a volume `v`, by default of the Secret `keys`, mounted at /run/keys."""
    body = pod("p")
    body["spec"]["volumes"] = [{"name": "v", **(source or {"secret": {"secretName": "keys"}})}]
    body["spec"]["containers"][0]["volumeMounts"] = mounts or [{"name": "v", "mountPath": "/run/keys"}]
    return body


def files(secret: Object | None, **fields: Any) -> dict[str, bytes]:
    """The files of a volume of the Secret `keys` with more fields."""
    (volume,) = secret_volumes(with_volume(secret={"secretName": "keys", **fields}))
    return build_files(volume, secret)


def test_all_keys_are_files_with_decoded_content() -> None:
    """Given a volume without items, then every key is a file; content may be binary."""
    assert {"a": b"\x00one", "b": b"two"} == files(SECRET)
    assert {} == files({"metadata": {"resourceVersion": "1"}})


def test_items_choose_keys_and_paths() -> None:
    """Given items, then only their keys are files, at their paths."""
    assert {"deep/x": b"two"} == files(SECRET, items=[{"key": "b", "path": "deep/x"}])


@pytest.mark.parametrize(
    ("present", "fields", "message"),
    [
        (None, {}, 'secret "keys" not found'),
        (SECRET, {"items": [{"key": "c", "path": "c"}]}, "references non-existent secret key: c"),
        (SECRET, {"items": [{"key": "a", "path": "../a"}]}, "invalid path '../a'"),
        (SECRET, {"items": [{"key": "a", "path": "/etc/a"}], "optional": True}, "invalid path '/etc/a'"),
    ],
)
def test_an_incomplete_volume_has_the_message_of_kubernetes(
    present: Object | None, fields: dict[str, Any], message: str
) -> None:
    """Given a missing Secret or key, or a path outside the volume, then the error is that of FailedMount."""
    with pytest.raises(MountError) as error:
        files(present, **fields)

    assert str(error.value).startswith(f'MountVolume.SetUp failed for volume "v" : {message}')


def test_an_optional_volume_lacks_what_does_not_exist() -> None:
    """Given optional, then a missing Secret is an empty volume, and a missing key no file."""
    items = [{"key": "a", "path": "a"}, {"key": "c", "path": "c"}]

    assert {} == files(None, optional=True)
    assert {"a": b"\x00one"} == files(SECRET, optional=True, items=items)


@pytest.mark.parametrize("path", ["/run/keys", "run/keys/", "/x/../run//keys", "/../../run/keys"])
def test_a_mount_stays_below_the_root(path: str) -> None:
    """Given a mount path with dots or double slashes, then it is normalized, and never leaves the root."""
    (volume,) = secret_volumes(with_volume([{"name": "v", "mountPath": path}]))

    assert ("/run/keys",) == volume.mounts


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (with_volume(configMap={"name": "c"}), "spec.volumes[0].configMap: not supported: must be secret"),
        (with_volume(emptyDir={}), "spec.volumes[0].emptyDir: not supported: must be secret"),
        (
            with_volume([{"name": "v", "mountPath": "/a", "subPath": "b"}]),
            "spec.containers[0].volumeMounts[0].subPath: not supported: mount the whole volume",
        ),
    ],
)
def test_other_volumes_are_not_supported(body: Object, message: str) -> None:
    """Given a volume of another type, or a part of one, then the pod cannot run, and the message names it."""
    assert unsupported(body).startswith(message)


def test_the_volume_that_the_api_server_adds_is_ignored() -> None:
    """Given the projected volume of a service account's token, then the pod can run, without it."""
    body = with_volume()
    body["spec"]["volumes"] += [{"name": "kube-api-access-x7", "projected": {"sources": []}}]

    assert ("", 1) == (unsupported(body), len(secret_volumes(body)))
