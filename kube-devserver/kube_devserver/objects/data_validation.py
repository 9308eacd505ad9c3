"""Validation of ConfigMaps and Secrets. After the validation of k8s.io/kubernetes, in its words."""

from __future__ import annotations

import base64
import json
import re

from kube_devserver.api_errors import IMMUTABLE, Cause, prohibited, required, wrong
from kube_devserver.objects.kinds import Body

MOST_DATA_BYTES = 1 << 20
_IMMUTABLE_DATA = "field is immutable when `immutable` is set"
_MOST_KEY_LENGTH = 253
_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_IN_KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or"
    " 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_ACCOUNT = "kubernetes.io/service-account.name"
# Types of Secrets, and the keys of which all must be there.
_NEEDED_KEYS = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
}
_BASIC_KEYS = ("username", "password")


def config_map_faults(body: Body, old: Body | None) -> list[Cause]:
    """Every error of a ConfigMap."""
    texts, encoded = body.get("data") or {}, body.get("binaryData") or {}
    found = [cause for key in texts for cause in _key_faults(f"data[{key}]", key)]
    found += [cause for key in encoded for cause in _key_faults(f"binaryData[{key}]", key)]
    twice = [key for key in texts if key in encoded]
    found += [wrong(f"data[{key}]", key, "duplicate of key present in binaryData") for key in twice]
    size = sum(len(text.encode()) for text in texts.values()) + _decoded_size(encoded)
    return found + _size_faults("[]", size) + _change_faults(body, old, ("data", "binaryData"))


def secret_faults(body: Body, old: Body | None) -> list[Cause]:
    """Every error of a Secret."""
    data, kind = body.get("data") or {}, body.get("type", "")
    found = [cause for key in data for cause in _key_faults(f"data[{key}]", key)]
    found += _size_faults("data", _decoded_size(data))
    found += [required(f"data[{key}]") for key in _NEEDED_KEYS.get(kind, ()) if key not in data]
    match kind:
        case "kubernetes.io/service-account-token":
            if not (body["metadata"].get("annotations") or {}).get(_ACCOUNT):
                found.append(required(f"metadata.annotations[{_ACCOUNT}]"))
        case "kubernetes.io/basic-auth":
            if not any(key in data for key in _BASIC_KEYS):
                found += [required(f"data[{key}]") for key in _BASIC_KEYS]
        case "kubernetes.io/ssh-auth":
            if not data.get("ssh-privatekey"):
                found.append(required("data[ssh-privatekey]"))
        case "kubernetes.io/dockercfg" | "kubernetes.io/dockerconfigjson":
            found += [fault for key in _NEEDED_KEYS[kind] for fault in _json_faults(key, data.get(key))]
    if old is not None and kind != old.get("type"):
        found.append(wrong("type", kind, IMMUTABLE))
    return found + _change_faults(body, old, ("data",))


def _key_faults(where: str, key: str) -> list[Cause]:
    texts = []
    if len(key.encode()) > _MOST_KEY_LENGTH:
        texts.append(f"must be no more than {_MOST_KEY_LENGTH} characters")
    if not _KEY.fullmatch(key):
        texts.append(_IN_KEY)
    if key in (".", ".."):
        texts.append(f"must not be '{key}'")
    elif key.startswith(".."):
        texts.append("must not start with '..'")
    return [wrong(where, key, text) for text in texts]


def _decoded_size(data: Body) -> int:
    """Return how many bytes canonical base64 stands for."""
    return sum(len(text) // 4 * 3 - text.count("=") for text in data.values() if text)


def _size_faults(where: str, size: int) -> list[Cause]:
    if size <= MOST_DATA_BYTES:
        return []
    return [Cause(where, "FieldValueTooLong", f"Too long: may not be more than {MOST_DATA_BYTES} bytes")]


def _json_faults(key: str, encoded: str | None) -> list[Cause]:
    if encoded is None:
        return []
    try:
        found = json.loads(base64.b64decode(encoded))
        text = "" if isinstance(found, dict | None) else "json: cannot unmarshal into an object"
    except (ValueError, RecursionError) as error:
        text = str(error)
    return [wrong(f"data[{key}]", "<secret contents redacted>", text)] if text else []


def _change_faults(body: Body, old: Body | None, fields: tuple[str, ...]) -> list[Cause]:
    """Errors of a change to an object that has been made immutable."""
    if old is None or not old.get("immutable"):
        return []
    found = [] if body.get("immutable") else [prohibited("immutable", _IMMUTABLE_DATA)]
    changed = [field for field in fields if (body.get(field) or {}) != (old.get(field) or {})]
    return found + [prohibited(field, _IMMUTABLE_DATA) for field in changed]
